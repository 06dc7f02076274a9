-- Every column that stores a person is a foreign key.

BEGIN;

SELECT plan(13);

SELECT col_is_fk('public', 'user_profiles', 'user_id', 'a profile belongs to a user');
SELECT col_is_fk('public', 'bands', 'created_by', 'a band is created by a user');
SELECT col_is_fk('public', 'band_memberships', 'user_id', 'a member is a user');
SELECT col_is_fk('public', 'songs', 'created_by', 'a song is created by a user');
SELECT col_is_fk('public', 'songs', 'last_modified_by', 'a song is changed by a user');
SELECT col_is_fk('public', 'song_groups', 'created_by', 'a song group is created by a user');
SELECT col_is_fk('public', 'song_group_memberships', 'added_by', 'a song is put into a group by a user');
SELECT col_is_fk('public', 'setlists', 'created_by', 'a setlist is created by a user');
SELECT col_is_fk('public', 'setlists', 'last_modified_by', 'a setlist is changed by a user');
SELECT col_is_fk('public', 'shows', 'created_by', 'a show is created by a user');
SELECT col_is_fk('public', 'shows', 'last_modified_by', 'a show is changed by a user');
SELECT col_is_fk('public', 'practice_sessions', 'last_modified_by', 'a practice session is changed by a user');
SELECT col_is_fk('public', 'audit_log', 'user_id', 'a line of the audit log is about a user');

SELECT * FROM finish();

ROLLBACK;
