-- The log of changes: begins it where there is none, adds a change where one is given, and says how far it reaches.
--
-- KEYS: the log. ARGV: the epoch and the version that the asker has heard of, for how many milliseconds the log is kept, how many
-- changes it holds at the least, and the change to add, or an empty string.
-- Returns the ids of the first and of the last entry.
--
-- The log is a stream of which an id is `<epoch>-<version>`: the microsecond in which the log began, so that one that began later has
-- greater ids, and how many changes there have been. The entry of version 0 only says that the log begins.
-- A log that ends before what somebody has heard of has lost changes, in a failover say, and would give their numbers to others.

local epoch, version
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if last then
    epoch, version = string.match(last[1], '^(%d+)-(%d+)$')
    version = tonumber(version)
end
if not last or (epoch == ARGV[1] and version < tonumber(ARGV[2])) then
    local now = redis.call('TIME')
    epoch, version = string.format('%d%06d', now[1], now[2]), 0
    redis.call('DEL', KEYS[1])
    redis.call('XADD', KEYS[1], epoch .. '-0', 'change', '')
end
if ARGV[5] ~= '' then
    version = version + 1
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[4], string.format('%s-%d', epoch, version), 'change', ARGV[5])
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return { redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1][1], string.format('%s-%d', epoch, version) }
