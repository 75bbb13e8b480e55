-- What the stream of hints has behind an entry, and how old each of them is. Redis' clock is the only one that all replicas share.
--
-- KEYS: the stream. ARGV: the id of the last entry that the asker has read.
-- Returns for each entry its id, its age in milliseconds, and its fields.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found = {}
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+')) do
    local told_at = tonumber(string.match(entry[1], '^(%d+)-'))
    table.insert(found, { entry[1], math.max(now - told_at, 0), entry[2] })
end
return found
