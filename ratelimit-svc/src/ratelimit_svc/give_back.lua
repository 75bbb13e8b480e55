-- Gives back what is left of leases, each lease once: `refund` of chassis/gcra.py, where its promises are tested.
--
-- KEYS: two a leftover: its limit's and its lease's. ARGV: three a leftover: the rate's quantity; what the units cost,
--   in microseconds, as a whole number and a rest in 1/quantity microseconds.
-- Returns the time in microseconds, then for each leftover what the lease's and the limit's key held (nil for nothing), as
-- text. What the keys hold, and why it is taken apart, is said in reserve.lua.

local DIGITS, FINE = 12, 1e12
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

-- How far ahead of now a stored time is.
local function read(stored, quantity)
    local whole = stored and tonumber(string.sub(stored, 1, -DIGITS - 1)) - now or -1
    if whole < 0 then
        return { whole = 0, rest = 0 }
    end
    local rest = math.floor(tonumber(string.sub(stored, -DIGITS)) * quantity / FINE + 0.5)
    if rest == quantity then  -- a time that an older rate left, rounded up
        whole, rest = whole + 1, 0
    end
    return { whole = whole, rest = rest }
end

local function lesser(one, other)
    if one.whole < other.whole or (one.whole == other.whole and one.rest < other.rest) then
        return one
    end
    return other
end

local function write(key, quantity, ahead)
    local digits = math.floor(ahead.rest / quantity * FINE + 0.5)
    local stored = string.format('%.0f%0' .. DIGITS .. '.0f', now + ahead.whole, digits)
    local full = string.format('%.0f', math.ceil((now + ahead.whole) / 1000) + 1)
    redis.call('SET', key, stored, 'PXAT', full)
end

local answer = { string.format('%.0f', now) }
for i = 1, #KEYS / 2 do
    local subject, lease = KEYS[2 * i - 1], KEYS[2 * i]
    local quantity = tonumber(ARGV[3 * i - 2])
    local worth = { whole = tonumber(ARGV[3 * i - 1]), rest = tonumber(ARGV[3 * i]) }
    local good_until, held = redis.call('GET', lease), redis.call('GET', subject)
    answer[2 * i], answer[2 * i + 1] = good_until, held
    if good_until then
        redis.call('DEL', lease)
        local owed = read(held, quantity)
        local back = lesser(lesser(worth, read(good_until, quantity)), owed)
        local whole, rest = owed.whole - back.whole, owed.rest - back.rest
        if rest < 0 then
            whole, rest = whole - 1, rest + quantity
        end
        if held then
            write(subject, quantity, { whole = whole, rest = rest })
        end
    end
end
return answer
