-- Imitates http 1.6 (pgsql-http): types and functions under their own names.
-- Nothing is sent: every request is answered with status 200 and no content.

create domain http_method as text;
create domain content_type as text check (value ~ '^\S+\/\S+');
create type http_header as (field character varying, value character varying);
create type http_response as (
  status integer, content_type character varying, headers http_header[], content character varying
);
create type http_request as (
  method http_method, uri character varying, headers http_header[], content_type character varying,
  content character varying
);

create function http_header(field character varying, value character varying) returns http_header language sql
  return row(field, value)::http_header;
create function http(request http_request) returns http_response language sql
  return row(200, 'text/plain', array[]::http_header[], '')::http_response;
create function http_get(uri character varying) returns http_response language sql
  return http(row('GET', uri, null, null, null)::http_request);
create function http_get(uri character varying, data jsonb) returns http_response language sql
  return http(row('GET', uri, null, null, null)::http_request);
create function http_head(uri character varying) returns http_response language sql
  return http(row('HEAD', uri, null, null, null)::http_request);
create function http_post(uri character varying, content character varying, content_type character varying)
returns http_response language sql
  return http(row('POST', uri, null, content_type, content)::http_request);
create function http_post(uri character varying, data jsonb) returns http_response language sql
  return http(row('POST', uri, null, 'application/x-www-form-urlencoded', data::text)::http_request);
create function http_put(uri character varying, content character varying, content_type character varying)
returns http_response language sql
  return http(row('PUT', uri, null, content_type, content)::http_request);
create function http_patch(uri character varying, content character varying, content_type character varying)
returns http_response language sql
  return http(row('PATCH', uri, null, content_type, content)::http_request);
create function http_delete(uri character varying) returns http_response language sql
  return http(row('DELETE', uri, null, null, null)::http_request);
create function http_delete(uri character varying, content character varying, content_type character varying)
returns http_response language sql
  return http(row('DELETE', uri, null, content_type, content)::http_request);
create function http_set_curlopt(curlopt character varying, value character varying) returns boolean language sql
  return true;
create function http_reset_curlopt() returns boolean language sql
  return true;

-- Percent-encoding of every byte that is not unreserved in RFC 3986.
create function urlencode(string character varying) returns text language sql immutable strict
set search_path to pg_catalog as $$
  select coalesce(string_agg(case when letter ~ '^[A-Za-z0-9._~-]$' then letter else escaped end, '' order by place), '')
  from regexp_split_to_table(string, '') with ordinality as split (letter, place),
    lateral (select upper(regexp_replace(encode(convert_to(letter, 'UTF8'), 'hex'), '(..)', '%\1', 'g')) as escaped) as bytes
$$;
