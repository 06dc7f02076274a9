select d.defaclrole, d.defaclnamespace, d.defaclobjtype, d.defaclacl::text
from pg_default_acl d
where d.defaclobjtype in ('r', 'f', 'n')
  and (d.defaclnamespace = 0 or {own:d.defaclnamespace})
