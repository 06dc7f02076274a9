-- Who made and changed what is filled in by the database.

BEGIN;

SELECT plan(10);

CREATE TEMPORARY TABLE cast_list AS
SELECT tests.create_user('Pia') AS pia, tests.create_user('Quinn') AS quinn;

CREATE TEMPORARY TABLE stage AS
SELECT tests.create_band('Pia and Quinn', pia) AS band FROM cast_list;

GRANT SELECT ON cast_list, stage TO authenticated;

INSERT INTO public.band_memberships (band_id, user_id) SELECT band, quinn FROM stage, cast_list;

-- Pia makes something of everything; a false author does not stand
SELECT tests.sign_in(pia) FROM cast_list;

INSERT INTO public.songs (band_id, title, created_by) SELECT band, 'Stamp', quinn FROM stage, cast_list;
INSERT INTO public.setlists (band_id, name) SELECT band, 'Evening' FROM stage;
INSERT INTO public.shows (band_id, name, show_date) SELECT band, 'Quay', CURRENT_DATE + 1 FROM stage;
INSERT INTO public.practice_sessions (band_id, starts_at) SELECT band, NOW() FROM stage;

SELECT is(s.created_by, c.pia, 'a song is its inserter''s, whatever the client says')
FROM public.songs s, cast_list c;
SELECT is(s.created_by, c.pia, 'so is a setlist') FROM public.setlists s, cast_list c;
SELECT is(s.created_by, c.pia, 'so is a show') FROM public.shows s, cast_list c;

-- Quinn changes it
SELECT tests.sign_in(quinn) FROM cast_list;

UPDATE public.songs SET title = 'Stamped';
UPDATE public.setlists SET name = 'Late evening';
UPDATE public.shows SET name = 'Quayside';
UPDATE public.practice_sessions SET location = 'Attic';

SELECT is(s.last_modified_by, c.quinn, 'a song remembers who changed it') FROM public.songs s, cast_list c;
SELECT is(s.version, 2, 'and counts its versions') FROM public.songs s;
SELECT is(s.created_by, c.pia, 'but keeps its author') FROM public.songs s, cast_list c;
SELECT is(s.last_modified_by, c.quinn, 'a setlist remembers who changed it') FROM public.setlists s, cast_list c;
SELECT is(s.last_modified_by, c.quinn, 'so does a show') FROM public.shows s, cast_list c;
SELECT is(s.last_modified_by, c.quinn, 'so does a practice session') FROM public.practice_sessions s, cast_list c;

-- A job, without a session, is nobody
SELECT tests.sign_out();

UPDATE public.songs SET practice_count = 1 WHERE title = 'Stamped';

SELECT is(s.last_modified_by, c.quinn, 'a job leaves the last editor in place')
FROM public.songs s, cast_list c WHERE s.title = 'Stamped';

SELECT * FROM finish();

ROLLBACK;
