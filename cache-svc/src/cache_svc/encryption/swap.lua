-- Puts ARGV[2] for ARGV[3] ms into KEYS[1] if ARGV[1] stands there ('': nothing); returns what stands there then.
local stands = redis.call('GET', KEYS[1]) or ''
if stands ~= ARGV[1] then
  return stands
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return ARGV[2]
