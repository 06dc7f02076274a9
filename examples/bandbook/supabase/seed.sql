-- One band with two members, for local development. Sign in with a link sent to ada@bandbook.example or
-- ben@bandbook.example; the local mail server shows it.

INSERT INTO auth.users (
  instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, confirmation_token, recovery_token,
  email_change_token_new, email_change, raw_app_meta_data, raw_user_meta_data, created_at, updated_at
)
SELECT
  '00000000-0000-0000-0000-000000000000', person.id, 'authenticated', 'authenticated', person.email, '', NOW(), '', '',
  '', '', '{"provider": "email", "providers": ["email"]}', jsonb_build_object('name', person.name), NOW(), NOW()
FROM (VALUES
  ('a0000000-0000-4000-8000-000000000001'::UUID, 'ada@bandbook.example', 'Ada'),
  ('a0000000-0000-4000-8000-000000000002'::UUID, 'ben@bandbook.example', 'Ben')
) AS person (id, email, name);

INSERT INTO auth.identities (provider_id, user_id, identity_data, provider, last_sign_in_at, created_at, updated_at)
SELECT id::TEXT, id, jsonb_build_object('sub', id, 'email', email), 'email', NOW(), NOW(), NOW()
FROM auth.users
WHERE email LIKE '%@bandbook.example';

INSERT INTO public.users (id, email, name) VALUES
  ('a0000000-0000-4000-8000-000000000001', 'ada@bandbook.example', 'Ada'),
  ('a0000000-0000-4000-8000-000000000002', 'ben@bandbook.example', 'Ben')
ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name;

INSERT INTO public.user_profiles (user_id, display_name, instruments) VALUES
  ('a0000000-0000-4000-8000-000000000001', 'Ada', '{vocals,bass}'),
  ('a0000000-0000-4000-8000-000000000002', 'Big Ben', '{drums}');

INSERT INTO public.bands (id, name, description, invite_code, created_by) VALUES
  ('b0000000-0000-4000-8000-000000000001', 'The Foreign Keys', 'Garage rock, referential', 'KEYS-2025',
   'a0000000-0000-4000-8000-000000000001');

INSERT INTO public.band_memberships (band_id, user_id, role) VALUES
  ('b0000000-0000-4000-8000-000000000001', 'a0000000-0000-4000-8000-000000000001', 'admin'),
  ('b0000000-0000-4000-8000-000000000001', 'a0000000-0000-4000-8000-000000000002', 'member');

INSERT INTO public.songs (id, band_id, title, artist, created_by, status, musical_key, tempo_bpm, is_original) VALUES
  ('50000000-0000-4000-8000-000000000001', 'b0000000-0000-4000-8000-000000000001', 'Cascade', 'The Foreign Keys',
   'a0000000-0000-4000-8000-000000000001', 'ready', 'E minor', 128, TRUE),
  ('50000000-0000-4000-8000-000000000002', 'b0000000-0000-4000-8000-000000000001', 'No Action', 'The Foreign Keys',
   'a0000000-0000-4000-8000-000000000002', 'learning', 'A', 96, TRUE),
  ('50000000-0000-4000-8000-000000000003', 'b0000000-0000-4000-8000-000000000001', 'House of the Rising Sun', NULL,
   'a0000000-0000-4000-8000-000000000001', 'ready', 'A minor', 77, FALSE);

INSERT INTO public.song_groups (id, band_id, name, created_by) VALUES
  ('60000000-0000-4000-8000-000000000001', 'b0000000-0000-4000-8000-000000000001', 'Openers',
   'a0000000-0000-4000-8000-000000000001');

INSERT INTO public.song_group_memberships (song_group_id, song_id, position, added_by) VALUES
  ('60000000-0000-4000-8000-000000000001', '50000000-0000-4000-8000-000000000001', 1,
   'a0000000-0000-4000-8000-000000000001'),
  ('60000000-0000-4000-8000-000000000001', '50000000-0000-4000-8000-000000000003', 2,
   'a0000000-0000-4000-8000-000000000002');

INSERT INTO public.setlists (id, band_id, name, created_by, items) VALUES
  ('70000000-0000-4000-8000-000000000001', 'b0000000-0000-4000-8000-000000000001', 'Half an hour',
   'a0000000-0000-4000-8000-000000000001',
   '[{"song": "50000000-0000-4000-8000-000000000001"}, {"song": "50000000-0000-4000-8000-000000000003"}]');

INSERT INTO public.shows (id, band_id, setlist_id, name, status, show_date, start_time, venue_name, created_by) VALUES
  ('80000000-0000-4000-8000-000000000001', 'b0000000-0000-4000-8000-000000000001',
   '70000000-0000-4000-8000-000000000001', 'Harbour Night', 'confirmed', CURRENT_DATE + 30, '21:00', 'Harbour Club',
   'a0000000-0000-4000-8000-000000000002');

INSERT INTO public.practice_sessions (band_id, setlist_id, show_id, title, starts_at, ends_at, location) VALUES
  ('b0000000-0000-4000-8000-000000000001', '70000000-0000-4000-8000-000000000001',
   '80000000-0000-4000-8000-000000000001', 'Run-through', NOW() + INTERVAL '7 days',
   NOW() + INTERVAL '7 days 2 hours', 'Cellar');

INSERT INTO public.audit_log (user_id, band_id, action, subject) VALUES
  ('a0000000-0000-4000-8000-000000000001', 'b0000000-0000-4000-8000-000000000001', 'invite', 'ben@bandbook.example');
