-- The tables are there, and none is without row level security.

BEGIN;

SELECT plan(18);

SELECT has_table('public', 'users', 'there are users');
SELECT has_table('public', 'user_profiles', 'there are user profiles');
SELECT has_table('public', 'bands', 'there are bands');
SELECT has_table('public', 'band_memberships', 'there are band memberships');
SELECT has_table('public', 'songs', 'there are songs');
SELECT has_table('public', 'song_groups', 'there are song groups');
SELECT has_table('public', 'song_group_memberships', 'there are song group memberships');
SELECT has_table('public', 'setlists', 'there are setlists');
SELECT has_table('public', 'shows', 'there are shows');
SELECT has_table('public', 'practice_sessions', 'there are practice sessions');
SELECT has_table('public', 'audit_log', 'there is an audit log');

SELECT is_empty(
  $$ SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND NOT relrowsecurity $$,
  'row level security is on for every table'
);

SELECT col_is_pk('public', 'users', 'id', 'a user is known by an id');
SELECT col_not_null('public', 'users', 'email', 'a user has an e-mail address');
SELECT col_not_null('public', 'users', 'name', 'a user has a name');
SELECT col_is_unique('public', 'user_profiles', 'user_id', 'a user has one profile');
SELECT col_is_unique('public', 'band_memberships', ARRAY['band_id', 'user_id'], 'a user joins a band once');
SELECT enum_has_labels('public', 'band_role', ARRAY['admin', 'member', 'guest'], 'a member has one of three roles');

SELECT * FROM finish();

ROLLBACK;
