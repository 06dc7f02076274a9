-- Helpers for the tests in this folder. Files run in the order of their names, so this one comes first; what it creates
-- stays for the others until the next `supabase db reset`.

BEGIN;

CREATE EXTENSION IF NOT EXISTS pgtap WITH SCHEMA extensions;

CREATE SCHEMA IF NOT EXISTS tests;
GRANT USAGE ON SCHEMA tests TO anon, authenticated, service_role;

-- A person who has signed up.
CREATE OR REPLACE FUNCTION tests.create_user(name TEXT)
RETURNS UUID
LANGUAGE plpgsql
SET search_path = ''
AS $$
DECLARE
  person UUID := gen_random_uuid();
  address TEXT := lower(name) || '@bandbook.example';
BEGIN
  INSERT INTO auth.users (
    id, aud, role, email, email_confirmed_at, raw_app_meta_data, raw_user_meta_data, created_at, updated_at
  )
  VALUES (
    person, 'authenticated', 'authenticated', address, NOW(), '{"provider": "email", "providers": ["email"]}',
    jsonb_build_object('name', name), NOW(), NOW()
  );

  INSERT INTO public.users (id, email, name)
  VALUES (person, address, name)
  ON CONFLICT (id) DO NOTHING;

  RETURN person;
END;
$$;

-- A band with its first admin.
CREATE OR REPLACE FUNCTION tests.create_band(name TEXT, admin UUID)
RETURNS UUID
LANGUAGE plpgsql
SET search_path = ''
AS $$
DECLARE
  band UUID := gen_random_uuid();
BEGIN
  INSERT INTO public.bands (id, name, created_by) VALUES (band, name, admin);
  INSERT INTO public.band_memberships (band_id, user_id, role) VALUES (band, admin, 'admin');
  RETURN band;
END;
$$;

-- From here to the end of the transaction, act as this person does through the API.
CREATE OR REPLACE FUNCTION tests.sign_in(person UUID)
RETURNS VOID
LANGUAGE plpgsql
SET search_path = ''
AS $$
BEGIN
  PERFORM set_config('request.jwt.claims', jsonb_build_object('sub', person, 'role', 'authenticated')::TEXT, TRUE);
  PERFORM set_config('role', 'authenticated', TRUE);
END;
$$;

-- Back to the role that runs the tests, without a session.
CREATE OR REPLACE FUNCTION tests.sign_out()
RETURNS VOID
LANGUAGE plpgsql
SET search_path = ''
AS $$
BEGIN
  PERFORM set_config('role', 'none', TRUE);
  PERFORM set_config('request.jwt.claims', '', TRUE);
END;
$$;

SELECT plan(4);

SELECT has_function('tests', 'create_user', ARRAY['text'], 'tests.create_user() is there');
SELECT has_function('tests', 'create_band', ARRAY['text', 'uuid'], 'tests.create_band() is there');
SELECT has_function('tests', 'sign_in', ARRAY['uuid'], 'tests.sign_in() is there');
SELECT has_function('tests', 'sign_out', '{}'::TEXT[], 'tests.sign_out() is there');

SELECT * FROM finish();

COMMIT;
