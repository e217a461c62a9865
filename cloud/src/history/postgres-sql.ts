/** The statements of the historian in PostgreSQL (14 and later). */
import { badQuality, lateFlag, qualityMask } from "./row-flags.ts";

export const schemaVersion = 1;

export const layTables = `
  CREATE SCHEMA IF NOT EXISTS causeway;
  CREATE TABLE IF NOT EXISTS causeway.cursor (one boolean PRIMARY KEY DEFAULT true CHECK (one),
    version integer NOT NULL, fence bigint NOT NULL, places text NOT NULL);
  CREATE TABLE IF NOT EXISTS causeway.ledgers (gateway text PRIMARY KEY, mark text NOT NULL);
  CREATE TABLE IF NOT EXISTS causeway.series (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    gateway text NOT NULL, device text NOT NULL, metric text NOT NULL, unit text NOT NULL,
    site text NOT NULL, tags text[] NOT NULL, UNIQUE (gateway, device, metric, unit));
  CREATE TABLE IF NOT EXISTS causeway.readings (series integer NOT NULL, time timestamptz NOT NULL,
    delay_ms bigint NOT NULL, value double precision, flags smallint NOT NULL, text text, reason text,
    observed_ms bigint, window_ms bigint, window_count bigint, window_bad bigint,
    window_low double precision, window_high double precision, window_last double precision);
  CREATE TABLE IF NOT EXISTS causeway.losses (gateway text NOT NULL, epoch text NOT NULL,
    log text NOT NULL, first bigint NOT NULL, last bigint NOT NULL, reason text NOT NULL,
    told timestamptz NOT NULL);
  INSERT INTO causeway.cursor (version, fence, places) VALUES (${schemaVersion}, 0, '[]')
    ON CONFLICT DO NOTHING;`;

export const layIndexes = `
  CREATE INDEX IF NOT EXISTS readings_series_time ON causeway.readings (series, time);
  CREATE INDEX IF NOT EXISTS readings_time ON causeway.readings USING brin (time);
  CREATE INDEX IF NOT EXISTS losses_told ON causeway.losses (told);`;

/**
 * Where the extension was created in the database: chunks by day, compressed after a week. How they
 * are compressed may not be said again once one of them is.
 */
export const layHypertable = `
  SELECT create_hypertable('causeway.readings', 'time', chunk_time_interval => INTERVAL '1 day',
    create_default_indexes => false, if_not_exists => true, migrate_data => true);
  DO $$ BEGIN
    IF NOT EXISTS (SELECT 1 FROM timescaledb_information.hypertables WHERE compression_enabled
        AND hypertable_schema = 'causeway' AND hypertable_name = 'readings') THEN
      ALTER TABLE causeway.readings SET (timescaledb.compress,
        timescaledb.compress_segmentby = 'series', timescaledb.compress_orderby = 'time');
    END IF;
  END $$;
  SELECT add_compression_policy('causeway.readings', INTERVAL '7 days', if_not_exists => true);`;

export const copyReadings = `COPY causeway.readings (series, time, delay_ms, value, flags, text, reason,
  observed_ms, window_ms, window_count, window_bad, window_low, window_high, window_last) FROM STDIN`;

const ms = (column: string) => `(extract(epoch FROM ${column}) * 1000)::float8`;

const shownColumns = `series, ${ms("time")} AS time, delay_ms::float8 AS "delayMs", value, flags, text,
  reason, observed_ms::float8 AS observed, window_ms::float8 AS "windowMs",
  window_count::float8 AS count, window_bad::float8 AS bad, window_low AS low, window_high AS high,
  window_last AS last`;

/** $1 ids, $2 from, $3 to, $4 limit. */
const within = `series = ANY($1::int[]) AND time >= to_timestamp($2::float8 / 1000)
  AND time < to_timestamp($3::float8 / 1000)`;

export function pointsSql(direction: "ASC" | "DESC"): string {
  return `SELECT ${shownColumns} FROM causeway.readings WHERE ${within}
    ORDER BY readings.series, readings.time ${direction} LIMIT $4`;
}

/** $1 ids. */
export const latestSql = `SELECT found.* FROM unnest($1::int[]) AS wanted (id), LATERAL (
    SELECT ${shownColumns} FROM causeway.readings WHERE readings.series = wanted.id
    ORDER BY readings.time DESC LIMIT 1) found ORDER BY found.series`;

const isBad = `(flags & ${qualityMask}) = ${badQuality}`;
const isNumber = `(NOT ${isBad} AND value IS NOT NULL AND (window_ms IS NULL OR window_low IS NOT NULL))`;

/** $5 width in ms. */
export const bucketsSql = `
  SELECT series, ${ms("begun")} AS time, sum(readings)::float8 AS count, sum(bad)::float8 AS bad,
    sum(late)::float8 AS late,
    CASE WHEN sum(numbers) > 0 THEN (sum(total) / sum(numbers))::float8 END AS mean,
    min(low) AS min, ${ms("(array_agg(time ORDER BY low, time) FILTER (WHERE low IS NOT NULL))[1]")}
      AS "minTime",
    max(high) AS max,
    ${ms("(array_agg(time ORDER BY high DESC, time) FILTER (WHERE high IS NOT NULL))[1]")} AS "maxTime",
    (array_agg(last_value ORDER BY time DESC) FILTER (WHERE last_value IS NOT NULL))[1] AS "lastValue",
    (array_agg(text ORDER BY time DESC) FILTER (WHERE text IS NOT NULL))[1] AS "lastText",
    ${ms("max(time)")} AS "lastTime"
  FROM (SELECT series, time, text,
      date_bin($5::float8 * INTERVAL '1 millisecond', time, to_timestamp(0)) AS begun,
      coalesce(window_count, 1) AS readings,
      coalesce(window_bad, CASE WHEN ${isBad} THEN 1 ELSE 0 END) AS bad,
      CASE WHEN (flags & ${lateFlag}) <> 0 THEN coalesce(window_count, 1) ELSE 0 END AS late,
      CASE WHEN ${isNumber} THEN coalesce(window_count - window_bad, 1) ELSE 0 END AS numbers,
      CASE WHEN ${isNumber} THEN value * coalesce(window_count - window_bad, 1) END AS total,
      CASE WHEN ${isNumber} THEN coalesce(window_low, value) END AS low,
      CASE WHEN ${isNumber} THEN coalesce(window_high, value) END AS high,
      CASE WHEN window_ms IS NULL THEN value ELSE window_last END AS last_value
    FROM causeway.readings WHERE ${within}) rows
  GROUP BY series, begun ORDER BY series, begun LIMIT $4`;

export const lossesSql = `SELECT gateway, epoch, log, first::float8 AS from, last::float8 AS to, reason,
    ${ms("told")} AS at FROM causeway.losses
  WHERE told >= to_timestamp($1::float8 / 1000) AND told < to_timestamp($2::float8 / 1000)
    AND gateway LIKE $3 ORDER BY told LIMIT $4`;

export const seriesSql = `SELECT id, gateway, device, metric, unit, site, tags FROM causeway.series
  WHERE id > $1 AND gateway LIKE $2 AND device LIKE $3 AND metric LIKE $4
    AND ($5::text IS NULL OR site = $5) AND ($6::text IS NULL OR $6 = ANY (tags))
  ORDER BY id LIMIT $7`;

/** $1 to $4 names, $5 sites, $6 tags as JSON; answers all of them. */
export const numberSeriesSql = `
  WITH wanted AS (SELECT DISTINCT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[],
      $5::text[], $6::text[]) AS own (gateway, device, metric, unit, site, tags)),
    added AS (INSERT INTO causeway.series (gateway, device, metric, unit, site, tags)
      SELECT gateway, device, metric, unit, site,
        ARRAY(SELECT jsonb_array_elements_text(tags::jsonb)) FROM wanted
      ON CONFLICT DO NOTHING RETURNING id, gateway, device, metric, unit)
  SELECT * FROM added UNION ALL
  SELECT s.id, s.gateway, s.device, s.metric, s.unit FROM causeway.series s
    JOIN wanted USING (gateway, device, metric, unit)`;

export const keepLedgersSql = `INSERT INTO causeway.ledgers
  SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT (gateway) DO UPDATE SET mark = EXCLUDED.mark`;

export const describeSql = `UPDATE causeway.series SET site = own.site,
    tags = ARRAY(SELECT jsonb_array_elements_text(own.tags::jsonb))
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS own (gateway, device, site, tags)
  WHERE series.gateway = own.gateway AND series.device = own.device`;

export const addLossesSql = `INSERT INTO causeway.losses
  SELECT gateway, epoch, log, first, last, reason, to_timestamp(told / 1000)
  FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::float8[])
    AS own (gateway, epoch, log, first, last, reason, told)`;

/** $1 before then, $2 rows at once: a long transaction would keep others from tidying up. */
export const expireSql = `DELETE FROM causeway.readings WHERE ctid = ANY (ARRAY(
  SELECT ctid FROM causeway.readings WHERE time < to_timestamp($1::float8 / 1000) LIMIT $2))`;

/** An estimate where there are many. */
export const figuresSql = `
  SELECT (SELECT count(*) FROM causeway.series)::float8 AS series,
    CASE WHEN reltuples > 1e6 THEN reltuples::float8
      ELSE (SELECT count(*) FROM causeway.readings)::float8 END AS rows,
    (SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c JOIN pg_namespace n
      ON n.oid = c.relnamespace WHERE n.nspname = 'causeway' AND c.relkind IN ('r', 'p'))::float8 AS bytes
  FROM pg_class WHERE oid = 'causeway.readings'::regclass`;
