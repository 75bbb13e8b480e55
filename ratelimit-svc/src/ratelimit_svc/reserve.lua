-- Reserves under all limits or none: the arithmetic of chassis/gcra.py, where its promises are tested.
--
-- KEYS: one a limit. ARGV: five a limit, for a rate of `quantity` uses in a period:
--   quantity; the cost of the call; the rate's tolerance. The last two are microseconds, as a whole number and a rest in
--   1/quantity microseconds.
-- Returns the time in microseconds, then what each key held before (nil for nothing), as text.
--
-- A key holds the theoretical arrival time in 1/FINE microseconds since the epoch. Lua's numbers are whole up to 2^53 only,
-- so its microseconds and its last 12 digits are handled apart, and sums are made relative to now.

local DIGITS, FINE = 12, 1e12
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

-- How far ahead of now a stored time is, between nothing and the tolerance.
local function read(stored, quantity, most)
    local whole, rest = 0, 0
    if stored then
        whole = tonumber(string.sub(stored, 1, -DIGITS - 1)) - now
        rest = math.floor(tonumber(string.sub(stored, -DIGITS)) * quantity / FINE + 0.5)
    end
    if whole < 0 then
        return 0, 0, false
    elseif whole > most.whole or (whole == most.whole and rest > most.rest) then
        return most.whole, most.rest, true
    end
    return whole, rest, false
end

local function write(key, limit)
    local digits = math.floor(limit.rest / limit.quantity * FINE + 0.5)
    local stored = string.format('%.0f%0' .. DIGITS .. '.0f', now + limit.whole, digits)
    -- Redis forgets by whole milliseconds: up to two too many cost nothing, one too few would be a burst too early.
    local full = string.format('%.0f', math.ceil((now + limit.whole) / 1000) + 1)
    redis.call('SET', key, stored, 'PXAT', full)
end

local answer = { string.format('%.0f', now) }
local limits, admitted = {}, true
for i, key in ipairs(KEYS) do
    local at = 5 * (i - 1)
    local quantity = tonumber(ARGV[at + 1])
    local cost = { whole = tonumber(ARGV[at + 2]), rest = tonumber(ARGV[at + 3]) }
    local most = { whole = tonumber(ARGV[at + 4]), rest = tonumber(ARGV[at + 5]) }
    local stored = redis.call('GET', key)
    local limit = { quantity = quantity }
    limit.whole, limit.rest, limit.is_cut = read(stored, quantity, most)
    local whole, rest = limit.whole + cost.whole, limit.rest + cost.rest
    if rest >= quantity then
        whole, rest = whole + 1, rest - quantity
    end
    limit.charged = { quantity = quantity, whole = whole, rest = rest }
    admitted = admitted and (whole < most.whole or (whole == most.whole and rest <= most.rest))
    limits[i], answer[i + 1] = limit, stored
end

for i, key in ipairs(KEYS) do
    if admitted then
        write(key, limits[i].charged)
    elseif limits[i].is_cut then
        write(key, limits[i])
    end
end
return answer
