-- Ends a claim without an answer. KEYS: the call's. ARGV: the claim's token.
-- Returns 1, or 0 when the claim is lost. What the key holds is said in begin.lua.

if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
    return 0
end
return redis.call('DEL', KEYS[1])
