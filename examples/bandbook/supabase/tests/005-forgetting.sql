-- When a person is forgotten, what is theirs goes; what they made for a band stays.

BEGIN;

SELECT plan(6);

CREATE TEMPORARY TABLE cast_list AS
SELECT tests.create_user('Rosa') AS rosa, tests.create_user('Sven') AS sven;

CREATE TEMPORARY TABLE stage AS
SELECT tests.create_band('Rosa and Sven', rosa) AS band FROM cast_list;

INSERT INTO public.user_profiles (user_id, display_name) SELECT rosa, 'Rosa' FROM cast_list;
INSERT INTO public.songs (band_id, title, created_by) SELECT band, 'Forget Me Not', rosa FROM stage, cast_list;
INSERT INTO public.setlists (band_id, name, created_by) SELECT band, 'Farewell', rosa FROM stage, cast_list;

SELECT lives_ok('DELETE FROM public.users WHERE id = (SELECT rosa FROM cast_list)', 'a user may be deleted');

SELECT is_empty(
  'SELECT p.id FROM public.user_profiles p JOIN cast_list ON p.user_id = rosa', 'their profile is gone'
);
SELECT is_empty(
  'SELECT m.id FROM public.band_memberships m JOIN cast_list ON m.user_id = rosa', 'their memberships are gone'
);
SELECT results_eq(
  'SELECT name FROM public.bands JOIN stage ON id = band WHERE created_by IS NULL', ARRAY['Rosa and Sven'],
  'the band stays'
);
SELECT results_eq(
  'SELECT title FROM public.songs JOIN stage ON band_id = band WHERE created_by IS NULL', ARRAY['Forget Me Not'],
  'its songs stay'
);
SELECT results_eq(
  'SELECT s.name FROM public.setlists s JOIN stage ON s.band_id = band WHERE s.created_by IS NULL', ARRAY['Farewell'],
  'its setlists stay'
);

SELECT * FROM finish();

ROLLBACK;
