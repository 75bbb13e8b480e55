-- Claims a key, or says how it stands.
--
-- KEYS: the call's. ARGV: what is asked (its fingerprint), the claim's token, how many milliseconds a claim lasts.
-- Returns `claimed`, `running`, `mismatch`, or `answered` and the answer.
--
-- The key is a hash: `fingerprint`, and either `token` while the call is running or `answer` when it is over.

local fingerprint, token, answer = unpack(redis.call('HMGET', KEYS[1], 'fingerprint', 'token', 'answer'))
if not fingerprint or (token == ARGV[2] and fingerprint == ARGV[1]) then
    redis.call('HSET', KEYS[1], 'fingerprint', ARGV[1], 'token', ARGV[2])
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
    return { 'claimed' }
elseif fingerprint ~= ARGV[1] then
    return { 'mismatch' }
elseif answer then
    return { 'answered', answer }
end
return { 'running' }
