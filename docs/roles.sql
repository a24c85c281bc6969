-- Two roles on PostgreSQL: app_owner migrates, app reads and writes rows and can do nothing else.
-- Choose the names, then run this once, as an administrator, in the application's new database:
--   psql --dbname=app --set=ON_ERROR_STOP=1 --single-transaction --file=docs/roles.sql
-- Give each role its password by psql's \password, which keeps it out of files and of the server's log.

CREATE ROLE app_owner LOGIN;
CREATE ROLE app LOGIN;
GRANT app_owner TO CURRENT_USER;

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT CREATE, USAGE ON SCHEMA public TO app_owner;
GRANT USAGE ON SCHEMA public TO app;
DO $$ BEGIN EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database()); END $$;

-- Alembic's own table, as Alembic makes it. It comes first: the application may read its revision, and not change it.
SET ROLE app_owner;
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));
GRANT SELECT ON alembic_version TO app;

-- Every table that a revision makes from here on.
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO app;
RESET ROLE;
