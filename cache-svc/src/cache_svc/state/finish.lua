-- Ends a claim and keeps the answer. KEYS: the call's. ARGV: the claim's token, the answer, for how many milliseconds.
-- Returns 1, or 0 when the claim is lost: then nothing changes. What the key holds is said in begin.lua.

if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
    return 0
end
redis.call('HSET', KEYS[1], 'answer', ARGV[2])  -- first: a Redis that is full stops here, and nothing has changed
redis.call('HDEL', KEYS[1], 'token')
return redis.call('PEXPIRE', KEYS[1], ARGV[3])
