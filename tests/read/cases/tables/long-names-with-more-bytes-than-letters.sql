create table "größenübersicht_für_die_mitgliederverwaltung_ähnlicher_vereine" (id int primary key,
  "übermäßig_lange_spaltenüberschriften_mit_vielen_ümläüten_öäüß" int unique);
create table "ключи_и_ссылки_на_другие_таблицы" (id int primary key,
  "пользователь_идентификатор" int references "größenübersicht_für_die_mitgliederverwaltung_ähnlicher_vereine",
  "а" int, unique ("пользователь_идентификатор", "а"));
create table "🎸🎸🎸🎸🎸🎸🎸🎸🎸🎸🎸🎸🎸🎸🎸🎸🎸🎸" (id serial primary key, "🥁🥁🥁🥁🥁🥁🥁🥁🥁🥁🥁🥁🥁🥁🥁" int unique);
create index on "ключи_и_ссылки_на_другие_таблицы" ("пользователь_идентификатор", "а");
