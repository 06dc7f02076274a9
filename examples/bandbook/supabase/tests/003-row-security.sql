-- Users see themselves, members see their band, nobody sees more.

BEGIN;

SELECT plan(16);

CREATE TEMPORARY TABLE cast_list AS
SELECT tests.create_user('Mira') AS mira, tests.create_user('Noor') AS noor, tests.create_user('Otis') AS otis;

CREATE TEMPORARY TABLE stage AS
SELECT tests.create_band('Mira and Noor', mira) AS band FROM cast_list;

GRANT SELECT ON cast_list, stage TO authenticated;

INSERT INTO public.band_memberships (band_id, user_id) SELECT band, noor FROM stage, cast_list;
INSERT INTO public.user_profiles (user_id, display_name) SELECT noor, 'DJ Noor' FROM cast_list;
INSERT INTO public.songs (band_id, title, created_by) SELECT band, 'Row by Row', mira FROM stage, cast_list;

-- Noor, a member
SELECT tests.sign_in(noor) FROM cast_list;

SELECT results_eq('SELECT name FROM public.users', ARRAY['Noor'], 'users read their own row and no other');
SELECT lives_ok($$ UPDATE public.users SET name = 'Noor B.' $$, 'users may change their own row');
SELECT results_eq('SELECT name FROM public.bands', ARRAY['Mira and Noor'], 'members read their band');
SELECT results_eq('SELECT title FROM public.songs', ARRAY['Row by Row'], 'members read its songs');
SELECT lives_ok(
  $$ INSERT INTO public.songs (band_id, title) SELECT band, 'Upstroke' FROM stage $$,
  'members add songs'
);
SELECT lives_ok(
  $$ INSERT INTO public.setlists (band_id, name) SELECT band, 'Encore' FROM stage $$,
  'members add setlists'
);
SELECT lives_ok(
  $$ INSERT INTO public.shows (band_id, name, show_date) SELECT band, 'Open Air', CURRENT_DATE FROM stage $$,
  'members add shows'
);
SELECT throws_ok(
  $$ INSERT INTO public.band_memberships (band_id, user_id) SELECT band, otis FROM stage, cast_list $$,
  '42501', NULL, 'members do not invite others'
);
SELECT is_empty(
  $$ UPDATE public.bands SET name = 'Noor and Mira' RETURNING id $$,
  'members do not rename the band'
);

-- Otis, who plays elsewhere
SELECT tests.sign_in(otis) FROM cast_list;

SELECT is_empty('SELECT id FROM public.bands', 'others do not see the band');
SELECT is_empty('SELECT id FROM public.songs', 'others do not see its songs');
SELECT is_empty('SELECT id FROM public.user_profiles', 'others do not see its members');
SELECT lives_ok(
  $$ INSERT INTO public.bands (name, created_by) SELECT 'Solo Otis', otis FROM cast_list $$,
  'anyone signed in may create a band'
);
SELECT lives_ok(
  $$ INSERT INTO public.band_memberships (band_id, user_id, role)
     SELECT b.id, otis, 'admin' FROM public.bands b, cast_list WHERE b.name = 'Solo Otis' $$,
  'and join it'
);

-- Mira, the admin
SELECT tests.sign_in(mira) FROM cast_list;

SELECT results_eq('SELECT name FROM public.bands', ARRAY['Mira and Noor'], 'admins of one band do not see another');
SELECT lives_ok(
  $$ INSERT INTO public.band_memberships (band_id, user_id, role) SELECT band, otis, 'guest' FROM stage, cast_list $$,
  'admins invite others'
);

SELECT tests.sign_out();
SELECT * FROM finish();

ROLLBACK;
