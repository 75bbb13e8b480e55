-- Leases of edges (see room.lua): renews those of the edges that watch here, and finds those that are over.
--
-- KEYS: the leases. ARGV: for how many milliseconds a lease holds at most, how many that are over are told at most, and the leases to renew.
-- Returns those of them that are lost, and those that are over.
--
-- A lease that would hold for longer was given before the clock stepped back.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local latest = string.format('%d', now + tonumber(ARGV[1]))

local lost = {}
for index = 3, #ARGV do
    if redis.call('ZSCORE', KEYS[1], ARGV[index]) then
        redis.call('ZADD', KEYS[1], latest, ARGV[index])
    else
        lost[#lost + 1] = ARGV[index]
    end
end
for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. latest, '+inf', 'LIMIT', 0, 1000)) do
    redis.call('ZADD', KEYS[1], latest, name)
end
return { lost, redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%d', now), 'LIMIT', 0, ARGV[2]) }
