/**
 * The Lua scripts of the Redis store. All keys are in KEYS and share one hash tag, as Redis Cluster requires.
 * The scripts use no command newer than Redis 5, so they also run on Valkey.
 *
 * The clock of the store is the clock of the server. Numbers are written with `%.0f`, because Lua would
 * write a version as 1.7e+15.
 */

const NOW = `
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
`;

/**
 * The beginning of each script that writes. The write may take effect between ARGV[1], the last time that
 * the server told, and ARGV[2], the deadline of the caller, both on the clock of the server. A write that
 * Redis executes later, because it was frozen, changes nothing and returns nil. So does a write that reaches
 * another server, or the same server after its clock was set, unless both clocks agree.
 */
const WRITE = `${NOW}
if tonumber(now) < tonumber(ARGV[1]) or tonumber(now) >= tonumber(ARGV[2]) then return false end
`;

/** KEYS: any key. Redis Cluster sends the script to the server of that key. */
export const TIME = `${NOW}
return now
`;

/**
 * Adds a name to an index until its record has expired. The index lives as long as its last name. Both
 * live one second longer than the record, because expiry may use a slightly different clock than TIME. Only
 * the record decides whether it exists.
 */
const REMEMBER = `
local function remember(index, name, ttl)
  local long = string.format('%.0f', ttl + 1000)
  redis.call('ZREMRANGEBYSCORE', index, '-inf', now)
  redis.call('ZADD', index, string.format('%.0f', now + long), name)
  if redis.call('PTTL', index) < tonumber(long) then redis.call('PEXPIRE', index, long) end
end
`;

/** How long the last version is kept after the last publication. */
const VERSION_TTL_MS = 30 * 24 * 60 * 60 * 1000;

/**
 * KEYS: the record, the index, the last version.
 * ARGV: the span of time, the expected version, the value, its time to live, the app, the channel, app and
 * value in JSON.
 */
export const PUBLISH = `${WRITE}${REMEMBER}
local found = redis.call('HMGET', KEYS[1], 'version', 'at', 'value')
if (found[1] or '0') ~= ARGV[3] then return { 0, now, found[1], found[2], found[3] } end
local last = redis.call('GET', KEYS[3]) or 0
local version = string.format('%.0f',
  math.max(time[1] * 1000000 + time[2], last + 1, (found[1] or 0) + 1))
redis.call('HSET', KEYS[1], 'version', version, 'at', now, 'value', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
redis.call('SET', KEYS[3], version, 'PX', '${VERSION_TTL_MS}')
remember(KEYS[2], ARGV[6], ARGV[5])
redis.call('PUBLISH', ARGV[7], '["state",' .. version .. ',' .. now .. ',' .. ARGV[8] .. ']')
return { 1, now, version, now, ARGV[4] }
`;

/** KEYS: an index. */
export const NAMES = `${NOW}
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
return redis.call('ZRANGE', KEYS[1], 0, -1)
`;

/** KEYS: records of states. */
export const LOAD = `${NOW}
local all = {}
for i, key in ipairs(KEYS) do all[i] = redis.call('HMGET', key, 'version', 'at', 'value') end
return { now, all }
`;

/**
 * KEYS: the record, the index.
 * ARGV: the span of time, the id, the value, its time to live, the channel, the message in JSON. A time to
 * live of 0 removes the record.
 */
export const REPORT = `${WRITE}${REMEMBER}
if ARGV[5] == '0' then
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', KEYS[2], ARGV[3])
else
  redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[5])
  remember(KEYS[2], ARGV[3], ARGV[5])
end
redis.call('PUBLISH', ARGV[6], ARGV[7])
return 1
`;

/** KEYS: records of reports. */
export const REPORTS = `
local all = {}
for i, key in ipairs(KEYS) do all[i] = redis.call('GET', key) end
return all
`;
