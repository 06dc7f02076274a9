"""The names that Postgres and the usual extensions bring: functions, types and relations.

``builtins.txt`` holds what PostgreSQL 18 and its contrib modules have, asked from a server by tools/list_builtins.py.
Extensions that do not come with Postgres stand here, from their documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

_DATA = Path(__file__).with_name("builtins.txt")


class Arity(NamedTuple):
    """The fewest and the most arguments that any overload takes; ``most`` is None where there is no limit."""

    least: int
    most: int | None

    def takes(self, count: int) -> bool:
        return self.least <= count and (self.most is None or count <= self.most)


_ANY = Arity(0, None)


@dataclass(frozen=True)
class Names:
    """What one extension (or the server itself) brings.

    ``schema`` is the schema that an extension makes for itself; "" where its objects live in that of its installation.
    ``complete`` is False where names are missing here, so that the absence of a name says nothing.
    """

    functions: Mapping[str, Arity] = field(default_factory=dict)
    types: frozenset[str] = frozenset()
    relations: frozenset[str] = frozenset()
    schema: str = ""
    complete: bool = True

    def has_function(self, name: str, count: int) -> bool:
        arity = self.functions.get(name)
        return arity is not None and arity.takes(count)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _names(functions: str = "", types: str = "", relations: str = "", schema: str = "", complete: bool = True) -> Names:
    return Names(dict.fromkeys(_words(functions), _ANY), _words(types), _words(relations), schema, complete)


# Calls that the grammar itself knows (PostgreSQL 18, src/backend/parser/gram.y, func_expr_common_subexpr), and ROW.
GRAMMAR_CALLS = _words(
    """
    coalesce greatest least nullif row grouping treat merge_action current_catalog current_date current_role
    current_schema current_time current_timestamp current_user localtime localtimestamp session_user system_user user
    xmlconcat xmlelement xmlexists xmlforest xmlparse xmlpi xmlroot xmlserialize json json_array json_arrayagg
    json_exists json_object json_objectagg json_query json_scalar json_serialize json_table json_value
    """
)

# The names that the grammar has for types, beside those in pg_type; serial types are good in a column definition only.
GRAMMAR_TYPES = _words(
    """
    int integer bigint smallint real float decimal dec boolean char character nchar varchar time timestamp interval bit
    serial bigserial smallserial serial2 serial4 serial8
    """
) | {
    "bit varying",
    "character varying",
    "double precision",
    "national character",
    "national character varying",
    "time with time zone",
    "time without time zone",
    "timestamp with time zone",
    "timestamp without time zone",
}

# Pseudo-types of PL/pgSQL's declarations, which no schema holds.
PLPGSQL_TYPES = frozenset({"record", "refcursor", "trigger", "event_trigger", "void"})

_OTHER_EXTENSIONS: Mapping[str, Names] = {
    "pgcrypto": _names(
        "armor crypt dearmor decrypt decrypt_iv digest encrypt encrypt_iv fips_mode gen_random_bytes gen_random_uuid"
        " gen_salt hmac pgp_armor_headers pgp_key_id pgp_pub_decrypt pgp_pub_decrypt_bytea pgp_pub_encrypt"
        " pgp_pub_encrypt_bytea pgp_sym_decrypt pgp_sym_decrypt_bytea pgp_sym_encrypt pgp_sym_encrypt_bytea"
    ),
    "uuid-ossp": _names(
        "uuid_generate_v1 uuid_generate_v1mc uuid_generate_v3 uuid_generate_v4 uuid_generate_v5 uuid_nil uuid_ns_dns"
        " uuid_ns_oid uuid_ns_url uuid_ns_x500"
    ),
    "sslinfo": _names(
        "ssl_cipher ssl_client_cert_present ssl_client_dn ssl_client_dn_field ssl_client_serial ssl_extension_info"
        " ssl_is_used ssl_issuer_dn ssl_issuer_field ssl_version"
    ),
    "xml2": _names(
        "xml_encode_special_chars xml_valid xpath_bool xpath_list xpath_nodeset xpath_number xpath_string xpath_table"
        " xslt_process"
    ),
    "pgjwt": _names("algorithm_sign sign try_cast_double url_decode url_encode verify"),
    "http": _names(
        "bytea_to_text http http_delete http_get http_head http_header http_headers http_list_curlopt http_patch"
        " http_post http_put http_reset_curlopt http_set_curlopt text_to_bytea urlencode",
        "http_header http_method http_request http_response",
    ),
    "pg_net": _names(
        "_await_response _encode_url_with_params_array _http_collect_response _urlencode_string check_worker_is_up"
        " http_collect_response http_delete http_get http_post wait_until_running wake worker_restart",
        "http_response http_response_result request_status",
        "_http_response http_request_queue",
        schema="net",
    ),
    "supabase_vault": _names(
        "_crypto_aead_det_decrypt _crypto_aead_det_encrypt _crypto_aead_det_noncegen create_secret update_secret",
        relations="decrypted_secrets secrets",
        schema="vault",
    ),
    "pg_cron": _names(
        "alter_job job_cache_invalidate schedule schedule_in_database unschedule",
        relations="job job_run_details",
        schema="cron",
    ),
    "pg_jsonschema": _names(
        "json_matches_schema jsonb_matches_schema jsonschema_is_valid jsonschema_validation_errors"
    ),
    "pg_uuidv7": _names(
        "uuid_generate_v7 uuid_timestamp_to_v7 uuid_timestamptz_to_v7 uuid_v7_to_timestamp uuid_v7_to_timestamptz"
    ),
    "index_advisor": _names("index_advisor"),
    "pg_hashids": _names("hash_decode hash_encode id_decode id_decode_once id_encode"),
    "pgmq": _names(
        "archive create create_non_partitioned create_partitioned create_unlogged delete detach_archive drop_queue"
        " list_queues metrics metrics_all pop purge_queue read read_with_poll send send_batch set_vt",
        "message_record metrics_result queue_record",
        "meta",
        schema="pgmq",
        complete=False,
    ),
    "postgis": _names(
        "addgeometrycolumn dropgeometrycolumn find_srid postgis_full_version postgis_lib_version postgis_version"
        " updategeometrysrid",
        "box2d box3d geography geometry geometry_dump spheroid",
        "geography_columns geometry_columns spatial_ref_sys",
        complete=False,
    ),
    "pgsodium": _names(schema="pgsodium", complete=False),
    "pg_graphql": _names("resolve", schema="graphql", complete=False),
    "pg_tle": _names(schema="pgtle", complete=False),
    "pg_repack": _names(schema="repack", complete=False),
    "postgis_topology": _names(schema="topology", complete=False),
    "postgis_tiger_geocoder": _names(schema="tiger", complete=False),
    "pgaudit": _names(),
    "plpgsql": _names(),
}


@lru_cache(maxsize=1)
def _read() -> tuple[dict[str, Names], frozenset[str]]:
    """Names by extension, "" for the server's own; and the relations of information_schema."""
    functions: dict[str, dict[str, Arity]] = {"": {}}
    types: dict[str, set[str]] = {"": set()}
    relations: dict[str, set[str]] = {"": set()}
    information: set[str] = set()
    for line in _DATA.read_text("utf-8").splitlines():
        words = line.split()
        owner = ""
        if words[0] == "extension":
            owner, words = words[1], words[2:]
        match words:
            case ["function", name, least, most]:
                arity = Arity(int(least), None if most == "*" else int(most))
                functions.setdefault(owner, {})[name] = arity
            case ["type", name]:
                types.setdefault(owner, set()).add(name)
            case ["relation", name]:
                relations.setdefault(owner, set()).add(name)
            case ["information", name]:
                information.add(name)
    owners = functions.keys() | types.keys() | relations.keys()
    names = {
        owner: Names(functions.get(owner, {}), frozenset(types.get(owner, ())), frozenset(relations.get(owner, ())))
        for owner in owners
    }
    return names, frozenset(information)


def server_names() -> Names:
    """What lives in pg_catalog."""
    return _read()[0][""]


def information_relations() -> frozenset[str]:
    """The relations of information_schema."""
    return _read()[1]


def extension_names(extension: str) -> Names | None:
    """What an extension brings; None where referee does not know it, which says nothing about any name."""
    return _OTHER_EXTENSIONS.get(extension) or (_read()[0].get(extension) if extension else None)


@lru_cache(maxsize=1)
def _suppliers() -> Mapping[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for extension, names in {**_read()[0], **_OTHER_EXTENSIONS}.items():
        if extension:
            for name in {*names.functions, *names.types, *names.relations}:
                found.setdefault(name, []).append(extension)
    return {name: tuple(sorted(extensions)) for name, extensions in found.items()}


def suppliers(name: str) -> tuple[str, ...]:
    """The extensions that bring a function, type or relation of this name; every ``st_`` name is taken for PostGIS."""
    return ("postgis",) if name.startswith("st_") else _suppliers().get(name, ())
