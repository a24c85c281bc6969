"""The fake: transactions and repositories on a store in memory, for tests. It behaves as the databases do."""
