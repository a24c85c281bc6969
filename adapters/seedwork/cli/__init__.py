"""What all commands share: how they start the application, print, read and write files, and report errors."""
