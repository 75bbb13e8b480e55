-- Adds the next events of a stream, or its end.
--
-- KEYS: the stream. ARGV: the numbers of the first and of the last event, the events, the head, the end, for how many milliseconds all of
-- it is kept from now on, how many bytes of events are kept at most.
-- Returns 1, or 0 where the events do not follow what is there, or follow its end: then nothing has changed.
--
-- The key is a hash: `last`, the number of the last event; `from`, of the oldest that is kept; `size`, what chunks count for; `head` and
-- `end` where they were said; and under the number that follows the chunk before, each chunk: the number of its last event, a colon, the
-- events.

local OVERHEAD = 200  -- bytes that a chunk counts for beyond its events

local first, last = tonumber(ARGV[1]), tonumber(ARGV[2])
local known, from, size, stop = unpack(redis.call('HMGET', KEYS[1], 'last', 'from', 'size', 'end'))
known, from, size = tonumber(known or 0), tonumber(from or 1), tonumber(size or 0)
if first > known + 1 or (stop and last > known) then
    return 0
end
if last > known then
    redis.call('HSET', KEYS[1], string.format('%d', known + 1), string.format('%d:', last) .. ARGV[3])  -- first: a full Redis stops here
    size = size + #ARGV[3] + OVERHEAD
    while size > tonumber(ARGV[7]) and from <= known do
        local oldest = string.format('%d', from)
        local number, events = string.match(redis.call('HGET', KEYS[1], oldest), '^(%d+):(.*)$')
        redis.call('HDEL', KEYS[1], oldest)
        size, from = size - #events - OVERHEAD, tonumber(number) + 1
    end
end
redis.call('HSET', KEYS[1], 'last', string.format('%d', math.max(last, known)), 'from', string.format('%d', from), 'size', size)
if ARGV[4] ~= '' then
    redis.call('HSET', KEYS[1], 'head', ARGV[4])
end
if ARGV[5] ~= '' and last >= known then
    redis.call('HSET', KEYS[1], 'end', ARGV[5])
end
redis.call('PEXPIRE', KEYS[1], ARGV[6])
return 1
