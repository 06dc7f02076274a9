-- Bandbook: baseline schema
--
-- Bandbook keeps what a band shares: its songs, the groups and setlists made of them, the shows it plays and the
-- practice sessions before them. Until version 1.0 this file is edited in place and every database is rebuilt from
-- it (supabase db reset).
--
-- Conventions
--   * Keys are UUIDs. Clients that work offline may choose them; otherwise the database does.
--   * What belongs to a band carries band_id and goes when the band goes.
--   * created_by and last_modified_by say who; created_date and updated_date say when.
--   * Row level security is on for every table; membership of the band decides.
--   * Closed lists of values are types, so that the generated TypeScript knows them (supabase gen types).
--   * Open-ended structures that only the client interprets are JSONB, with their shape in a comment.

-- =====================================================================================================================
-- Types
-- =====================================================================================================================

CREATE TYPE public.band_role AS ENUM ('admin', 'member', 'guest');

CREATE TYPE public.song_status AS ENUM ('idea', 'learning', 'ready', 'retired');

CREATE TYPE public.show_status AS ENUM ('planned', 'confirmed', 'played', 'cancelled');

CREATE TYPE public.audit_action AS ENUM ('create', 'update', 'delete', 'invite', 'export');

-- =====================================================================================================================
-- People and bands
-- =====================================================================================================================

-- Accounts belong to Supabase Auth: auth.users holds credentials, confirmations and tokens. What Bandbook itself
-- knows about a person stands in public.users, under the same UUID, so that our tables do not depend on a schema
-- that is not ours. The application writes the row when a session starts:
--
--   supabase.from('users').upsert({ id: user.id, email: user.email, name, auth_provider, last_login })
--
-- E-mail addresses are not unique: the members of a band may share an inbox, and people who sign in through their
-- company bring whatever address it gives them.
--
-- When a person asks to be forgotten, this row is deleted. What is theirs alone goes with it (profile, memberships);
-- what they made for a band stays and forgets its author.
--
-- Only the owner of a row sees it. What others may see of a person is in user_profiles.

CREATE TABLE public.users (
  id UUID PRIMARY KEY, -- the id in auth.users, never one of our own
  email TEXT NOT NULL,
  name TEXT NOT NULL,
  created_date TIMESTAMPTZ DEFAULT NOW(),
  last_login TIMESTAMPTZ,
  -- 'email', 'google', 'apple', ... as Supabase Auth names them
  auth_provider TEXT DEFAULT 'email'
);

-- How a person appears to the bands that they play in.
CREATE TABLE public.user_profiles (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id UUID NOT NULL UNIQUE REFERENCES public.users(id) ON DELETE CASCADE,
  display_name TEXT NOT NULL,
  instruments TEXT[] NOT NULL DEFAULT '{}',
  bio TEXT,
  avatar_url TEXT,
  timezone TEXT NOT NULL DEFAULT 'UTC',
  created_date TIMESTAMPTZ NOT NULL DEFAULT NOW(),
  updated_date TIMESTAMPTZ NOT NULL DEFAULT NOW()
);

-- A band, and the code by which people ask to join it.
CREATE TABLE public.bands (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  name TEXT NOT NULL,
  description TEXT,
  invite_code TEXT UNIQUE,
  created_by UUID REFERENCES public.users(id) ON DELETE SET NULL,
  created_date TIMESTAMPTZ NOT NULL DEFAULT NOW(),
  updated_date TIMESTAMPTZ NOT NULL DEFAULT NOW(),
  CONSTRAINT bands_name_check CHECK (btrim(name) <> '')
);

-- Who plays in which band. All policies on a band's rows come down to this table; the first row of a new band is
-- its creator's own and is written by the application.
CREATE TABLE public.band_memberships (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  band_id UUID NOT NULL REFERENCES public.bands(id) ON DELETE CASCADE,
  user_id UUID NOT NULL REFERENCES public.users(id) ON DELETE CASCADE,
  role public.band_role NOT NULL DEFAULT 'member',
  joined_date TIMESTAMPTZ NOT NULL DEFAULT NOW(),
  UNIQUE (band_id, user_id)
);

-- =====================================================================================================================
-- Songs
-- =====================================================================================================================

-- A song as one band plays it; two bands that cover the same song have a row each.
CREATE TABLE public.songs (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  band_id UUID NOT NULL REFERENCES public.bands(id) ON DELETE CASCADE,
  title TEXT NOT NULL,
  artist TEXT,
  created_by UUID REFERENCES public.users(id) ON DELETE SET NULL,
  created_date TIMESTAMPTZ NOT NULL DEFAULT NOW(),

  -- What it is
  album TEXT,
  composer TEXT,
  genre TEXT,
  language TEXT,
  release_year SMALLINT,
  is_original BOOLEAN NOT NULL DEFAULT FALSE,
  lyrics TEXT,
  notes TEXT,

  -- How the band plays it
  status public.song_status NOT NULL DEFAULT 'idea',
  musical_key TEXT,
  tempo_bpm SMALLINT,
  time_signature TEXT NOT NULL DEFAULT '4/4',
  duration_seconds INTEGER,
  guitar_tuning TEXT NOT NULL DEFAULT 'standard',
  capo_fret SMALLINT NOT NULL DEFAULT 0,
  lead_singer TEXT,
  backing_singers TEXT[] NOT NULL DEFAULT '{}',

  -- Intro, verses, solos, ...: [{"part": name, "bars": count, "notes": text}, ...]
  arrangement JSONB NOT NULL DEFAULT '[]',

  -- How well it goes: what the band agreed on at its last practice. Players keep marks of their own on their
  -- devices; those are nobody else's business and never come here.
  difficulty SMALLINT,
  confidence_level SMALLINT NOT NULL DEFAULT 1,
  practice_count INTEGER NOT NULL DEFAULT 0,
  last_practiced TIMESTAMPTZ,

  -- Where to hear it and read it
  recording_url TEXT,
  backing_track_url TEXT,
  chart_url TEXT,
  tab_url TEXT,
  reference_links JSONB NOT NULL DEFAULT '[]',
  tags TEXT[] NOT NULL DEFAULT '{}',

  -- Songs are edited offline. A client keeps the version that it has read; when the server's is newer, it shows
  -- both texts and who changed the song.
  version INTEGER NOT NULL DEFAULT 1,
  updated_date TIMESTAMPTZ NOT NULL DEFAULT NOW(),
  last_modified_by UUID REFERENCES auth.users(id),
  CONSTRAINT songs_title_check CHECK (btrim(title) <> ''),
  CONSTRAINT songs_tempo_bpm_check CHECK (tempo_bpm BETWEEN 20 AND 400),
  CONSTRAINT songs_duration_seconds_check CHECK (duration_seconds > 0)
);

-- Songs that belong together: a genre, a season, "needs work".
CREATE TABLE public.song_groups (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  band_id UUID NOT NULL REFERENCES public.bands(id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  description TEXT,
  created_by UUID REFERENCES public.users(id) ON DELETE SET NULL,
  created_date TIMESTAMPTZ NOT NULL DEFAULT NOW(),
  updated_date TIMESTAMPTZ NOT NULL DEFAULT NOW(),
  UNIQUE (band_id, name)
);

CREATE TABLE public.song_group_memberships (
  song_group_id UUID NOT NULL REFERENCES public.song_groups(id) ON DELETE CASCADE,
  song_id UUID NOT NULL REFERENCES public.songs(id) ON DELETE CASCADE,
  position INTEGER NOT NULL DEFAULT 0,
  added_by UUID REFERENCES public.users(id) ON DELETE SET NULL,
  added_date TIMESTAMPTZ NOT NULL DEFAULT NOW(),
  PRIMARY KEY (song_group_id, song_id)
);

-- =====================================================================================================================
-- Setlists, shows and practice
-- =====================================================================================================================

-- What is played on an evening, in order.
CREATE TABLE public.setlists (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  band_id UUID NOT NULL REFERENCES public.bands(id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  created_by UUID REFERENCES public.users(id) ON DELETE SET NULL,
  created_date TIMESTAMPTZ NOT NULL DEFAULT NOW(),
  description TEXT,
  notes TEXT,
  tags TEXT[] NOT NULL DEFAULT '{}',
  is_template BOOLEAN NOT NULL DEFAULT FALSE,
  is_archived BOOLEAN NOT NULL DEFAULT FALSE,

  -- [{"song": id} or {"break": minutes} or {"section": title}, ...]
  items JSONB NOT NULL DEFAULT '[]',
  target_duration_seconds INTEGER,
  updated_date TIMESTAMPTZ NOT NULL DEFAULT NOW(),
  last_modified_by UUID REFERENCES auth.users(id),
  UNIQUE (band_id, name),
  CONSTRAINT setlists_target_duration_seconds_check CHECK (target_duration_seconds > 0)
);

-- An evening on which the band plays.
CREATE TABLE public.shows (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  band_id UUID NOT NULL REFERENCES public.bands(id) ON DELETE CASCADE,
  setlist_id UUID REFERENCES public.setlists(id) ON DELETE SET NULL,
  name TEXT NOT NULL,
  status public.show_status NOT NULL DEFAULT 'planned',

  -- When; times of day are local to the venue
  show_date DATE NOT NULL,
  load_in_time TIME,
  soundcheck_time TIME,
  doors_time TIME,
  start_time TIME,

  -- Where, and for how much
  venue_name TEXT,
  venue_address TEXT,
  venue_city TEXT,
  contact_name TEXT,
  contact_email TEXT,
  contact_phone TEXT,
  capacity INTEGER CHECK (capacity > 0),
  ticket_price NUMERIC(10, 2) CHECK (ticket_price >= 0),
  fee NUMERIC(10, 2) CHECK (fee >= 0),
  currency CHAR(3) NOT NULL DEFAULT 'EUR',
  notes TEXT,

  created_by UUID NOT NULL REFERENCES auth.users(id),
  created_date TIMESTAMPTZ NOT NULL DEFAULT NOW(),
  updated_date TIMESTAMPTZ NOT NULL DEFAULT NOW(),
  -- Empty until the first change
  last_modified_by UUID REFERENCES auth.users(id)
);

-- A rehearsal. Sessions are scheduled by the band, not by a person, so there is no created_by.
CREATE TABLE public.practice_sessions (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  band_id UUID NOT NULL REFERENCES public.bands(id) ON DELETE CASCADE,
  setlist_id UUID REFERENCES public.setlists(id) ON DELETE SET NULL,
  show_id UUID REFERENCES public.shows(id) ON DELETE SET NULL,
  title TEXT,
  starts_at TIMESTAMPTZ NOT NULL,
  ends_at TIMESTAMPTZ,
  location TEXT,
  agenda TEXT,
  notes TEXT,
  recording_url TEXT,

  -- Who comes, by membership: {id: "yes", "no" or "late"}
  attendance JSONB NOT NULL DEFAULT '{}',

  -- How each song went: [{"song": id, "minutes": count, "rating": 1 to 5}, ...]
  results JSONB NOT NULL DEFAULT '[]',
  is_cancelled BOOLEAN NOT NULL DEFAULT FALSE,
  created_date TIMESTAMPTZ NOT NULL DEFAULT NOW(),
  updated_date TIMESTAMPTZ NOT NULL DEFAULT NOW(),
  last_modified_by UUID REFERENCES auth.users(id),
  CONSTRAINT practice_sessions_ends_at_check CHECK (ends_at > starts_at)
);

-- =====================================================================================================================
-- Indexes
-- =====================================================================================================================

-- Lists that every screen starts with
CREATE INDEX songs_band_id_idx ON public.songs (band_id, title);
CREATE INDEX shows_band_id_idx ON public.shows (band_id, show_date);
CREATE INDEX practice_sessions_band_id_idx ON public.practice_sessions (band_id, starts_at);

-- The other way along each key: "my bands", "songs in this group", and what a deletion has to look up
CREATE INDEX band_memberships_user_id_idx ON public.band_memberships (user_id);
CREATE INDEX bands_created_by_idx ON public.bands (created_by);
CREATE INDEX songs_created_by_idx ON public.songs (created_by);
CREATE INDEX songs_last_modified_by_idx ON public.songs (last_modified_by);
CREATE INDEX song_groups_created_by_idx ON public.song_groups (created_by);
CREATE INDEX song_group_memberships_song_id_idx ON public.song_group_memberships (song_id);
CREATE INDEX setlists_created_by_idx ON public.setlists (created_by);
CREATE INDEX setlists_last_modified_by_idx ON public.setlists (last_modified_by);
CREATE INDEX shows_setlist_id_idx ON public.shows (setlist_id);
CREATE INDEX shows_created_by_idx ON public.shows (created_by);
CREATE INDEX shows_last_modified_by_idx ON public.shows (last_modified_by);
CREATE INDEX practice_sessions_setlist_id_idx ON public.practice_sessions (setlist_id);
CREATE INDEX practice_sessions_show_id_idx ON public.practice_sessions (show_id);
CREATE INDEX practice_sessions_last_modified_by_idx ON public.practice_sessions (last_modified_by);

-- =====================================================================================================================
-- Membership
-- =====================================================================================================================

-- The policies below ask these functions. They run with their owner's rights, because a policy on band_memberships
-- that reads band_memberships as the user would call itself without end.

CREATE FUNCTION public.is_band_member(band UUID)
RETURNS BOOLEAN
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
AS $$
  SELECT EXISTS (
    SELECT 1 FROM public.band_memberships m
    WHERE m.band_id = band AND m.user_id = auth.uid()
  );
$$;

CREATE FUNCTION public.is_band_admin(band UUID)
RETURNS BOOLEAN
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
AS $$
  SELECT EXISTS (
    SELECT 1 FROM public.band_memberships m
    WHERE m.band_id = band AND m.user_id = auth.uid() AND m.role = 'admin'
  );
$$;

-- =====================================================================================================================
-- Views
-- =====================================================================================================================

-- The front page: what is ahead, for the bands that the reader is a member of.
CREATE VIEW public.upcoming_shows WITH (security_invoker = on) AS
SELECT
  s.id,
  s.band_id,
  b.name AS band_name,
  s.name,
  s.show_date,
  s.start_time,
  s.venue_name,
  l.name AS setlist_name,
  jsonb_array_length(l.items) AS setlist_length
FROM public.shows s
JOIN public.bands b ON b.id = s.band_id
LEFT JOIN public.setlists l ON l.id = s.setlist_id
WHERE s.show_date >= CURRENT_DATE AND s.status IN ('planned', 'confirmed');

-- =====================================================================================================================
-- Audit log
-- =====================================================================================================================

-- Who did what, for the band's admins to read. The application adds a line for each action that it performs for a
-- person; lines without a person come from scheduled jobs. Lines are never changed.
CREATE TABLE public.audit_log (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  user_id UUID REFERENCES auth.users(id),
  band_id UUID REFERENCES public.bands(id) ON DELETE SET NULL,
  action public.audit_action NOT NULL,
  subject TEXT NOT NULL,
  details JSONB NOT NULL DEFAULT '{}',
  created_date TIMESTAMPTZ NOT NULL DEFAULT NOW()
);

CREATE INDEX audit_log_user_id_idx ON public.audit_log (user_id);
CREATE INDEX audit_log_band_id_idx ON public.audit_log (band_id, created_date);

-- =====================================================================================================================
-- Row level security
-- =====================================================================================================================

ALTER TABLE public.users ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.user_profiles ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.bands ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.band_memberships ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.songs ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.song_groups ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.song_group_memberships ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.setlists ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.shows ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.practice_sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.audit_log ENABLE ROW LEVEL SECURITY;

-- People
CREATE POLICY "Users read their own row" ON public.users
  FOR SELECT TO authenticated USING (id = (SELECT auth.uid()));

CREATE POLICY "Users update their own row" ON public.users
  FOR UPDATE TO authenticated USING (id = (SELECT auth.uid())) WITH CHECK (id = (SELECT auth.uid()));

CREATE POLICY "Users keep their own profile" ON public.user_profiles
  FOR ALL TO authenticated USING (user_id = (SELECT auth.uid())) WITH CHECK (user_id = (SELECT auth.uid()));

CREATE POLICY "Members read each other's profiles" ON public.user_profiles
  FOR SELECT TO authenticated USING (
    EXISTS (SELECT 1 FROM public.band_memberships m WHERE m.user_id = user_profiles.user_id)
  );

-- Bands: whoever creates one may read it before the first membership exists, and writes that membership
CREATE POLICY "Members and creators read a band" ON public.bands
  FOR SELECT TO authenticated USING (created_by = (SELECT auth.uid()) OR public.is_band_member(id));

CREATE POLICY "Anyone signed in creates a band" ON public.bands
  FOR INSERT TO authenticated WITH CHECK (created_by = (SELECT auth.uid()));

CREATE POLICY "Admins update their band" ON public.bands
  FOR UPDATE TO authenticated USING (public.is_band_admin(id)) WITH CHECK (public.is_band_admin(id));

CREATE POLICY "Admins delete their band" ON public.bands
  FOR DELETE TO authenticated USING (public.is_band_admin(id));

CREATE POLICY "Members read their band's memberships" ON public.band_memberships
  FOR SELECT TO authenticated USING (user_id = (SELECT auth.uid()) OR public.is_band_member(band_id));

CREATE POLICY "Creators join their band" ON public.band_memberships
  FOR INSERT TO authenticated WITH CHECK (
    user_id = (SELECT auth.uid())
    AND EXISTS (SELECT 1 FROM public.bands b WHERE b.id = band_id AND b.created_by = (SELECT auth.uid()))
  );

CREATE POLICY "Admins manage memberships" ON public.band_memberships
  FOR ALL TO authenticated USING (public.is_band_admin(band_id)) WITH CHECK (public.is_band_admin(band_id));

-- What a band shares: every member reads and writes it
CREATE POLICY "Members share songs" ON public.songs
  FOR ALL TO authenticated USING (public.is_band_member(band_id)) WITH CHECK (public.is_band_member(band_id));

CREATE POLICY "Members share song groups" ON public.song_groups
  FOR ALL TO authenticated USING (public.is_band_member(band_id)) WITH CHECK (public.is_band_member(band_id));

CREATE POLICY "Members share the songs of a group" ON public.song_group_memberships
  FOR ALL TO authenticated USING (
    EXISTS (SELECT 1 FROM public.song_groups g WHERE g.id = song_group_id AND public.is_band_member(g.band_id))
  );

CREATE POLICY "Members share setlists" ON public.setlists
  FOR ALL TO authenticated USING (public.is_band_member(band_id)) WITH CHECK (public.is_band_member(band_id));

CREATE POLICY "Members share shows" ON public.shows
  FOR ALL TO authenticated USING (public.is_band_member(band_id)) WITH CHECK (public.is_band_member(band_id));

CREATE POLICY "Members share practice sessions" ON public.practice_sessions
  FOR ALL TO authenticated USING (public.is_band_member(band_id)) WITH CHECK (public.is_band_member(band_id));

-- Audit log: written for oneself, read by admins, changed by nobody
CREATE POLICY "Users log their own actions" ON public.audit_log
  FOR INSERT TO authenticated WITH CHECK (user_id = (SELECT auth.uid()));

CREATE POLICY "Admins read their band's log" ON public.audit_log
  FOR SELECT TO authenticated USING (public.is_band_admin(band_id));

-- =====================================================================================================================
-- Who and when
-- =====================================================================================================================

-- What a client must not be trusted with is filled in here, from its session. Seeds, jobs and the service role have
-- none: what they say about authors is kept.

CREATE FUNCTION public.touch_updated_date()
RETURNS TRIGGER
LANGUAGE plpgsql
SET search_path = ''
AS $$
BEGIN
  NEW.updated_date = NOW();
  RETURN NEW;
END;
$$;

-- Every change of a song is a new version: offline clients compare it with the one that they have read
CREATE FUNCTION public.stamp_song_edit()
RETURNS TRIGGER
LANGUAGE plpgsql
SET search_path = ''
AS $$
BEGIN
  NEW.version = OLD.version + 1;
  NEW.updated_date = NOW();
  IF auth.uid() IS NOT NULL THEN
    NEW.last_modified_by = auth.uid();
  END IF;
  RETURN NEW;
END;
$$;

-- Setlists, shows and practice sessions are edited online only, so they need no version: the last writer wins, and
-- the others see who that was.
CREATE FUNCTION public.stamp_edit()
RETURNS TRIGGER
LANGUAGE plpgsql
SET search_path = ''
AS $$
BEGIN
  NEW.updated_date = NOW();

  -- A job that renumbers a running order has no session: its edit is nobody's, and the last person who changed
  -- the setlist stays named.
  IF auth.uid() IS NOT NULL THEN
    NEW.last_modified_by = auth.uid();
  END IF;
  RETURN NEW;
END;
$$;

-- The author of a song, setlist or show is whoever inserts it, whatever the client says. The other tables with an
-- author leave it to the application: the policy on bands compares created_by with the session anyway, and song
-- groups are also made on behalf of others, when a library is imported.
CREATE FUNCTION public.stamp_creator()
RETURNS TRIGGER
LANGUAGE plpgsql
SET search_path = ''
AS $$
BEGIN
  -- Without a session it is whom the statement names: imports run as the service role, seeds as the owner of the
  -- tables.
  IF auth.uid() IS NOT NULL THEN
    NEW.created_by = auth.uid();
  END IF;
  RETURN NEW;
END;
$$;

CREATE TRIGGER user_profiles_touch BEFORE UPDATE ON public.user_profiles
  FOR EACH ROW EXECUTE FUNCTION public.touch_updated_date();

CREATE TRIGGER bands_touch BEFORE UPDATE ON public.bands
  FOR EACH ROW EXECUTE FUNCTION public.touch_updated_date();

CREATE TRIGGER song_groups_touch BEFORE UPDATE ON public.song_groups
  FOR EACH ROW EXECUTE FUNCTION public.touch_updated_date();

CREATE TRIGGER songs_stamp_edit BEFORE UPDATE ON public.songs
  FOR EACH ROW EXECUTE FUNCTION public.stamp_song_edit();

CREATE TRIGGER setlists_stamp_edit BEFORE UPDATE ON public.setlists
  FOR EACH ROW EXECUTE FUNCTION public.stamp_edit();

CREATE TRIGGER shows_stamp_edit BEFORE UPDATE ON public.shows
  FOR EACH ROW EXECUTE FUNCTION public.stamp_edit();

CREATE TRIGGER practice_sessions_stamp_edit BEFORE UPDATE ON public.practice_sessions
  FOR EACH ROW EXECUTE FUNCTION public.stamp_edit();

CREATE TRIGGER songs_stamp_creator BEFORE INSERT ON public.songs
  FOR EACH ROW EXECUTE FUNCTION public.stamp_creator();

CREATE TRIGGER setlists_stamp_creator BEFORE INSERT ON public.setlists
  FOR EACH ROW EXECUTE FUNCTION public.stamp_creator();

CREATE TRIGGER shows_stamp_creator BEFORE INSERT ON public.shows
  FOR EACH ROW EXECUTE FUNCTION public.stamp_creator();

-- =====================================================================================================================
-- Grants
-- =====================================================================================================================

-- Written out, so that it does not matter whether a project exposes new tables by default. Visitors who are not
-- signed in (anon) have nothing to see.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO authenticated, service_role;
REVOKE UPDATE, DELETE ON public.audit_log FROM authenticated, service_role;
