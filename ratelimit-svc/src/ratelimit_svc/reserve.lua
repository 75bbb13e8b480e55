-- Admits calls as long as all limits have room, and takes units ahead for later ones: the arithmetic of chassis/gcra.py and
-- lease.py, where its promises are tested.
--
-- KEYS: one a limit; where units are taken ahead, then one a limit for the lease.
-- ARGV: how many calls; which part of what remains may be taken ahead. Then six a limit, for a rate of `quantity` uses in
--   a period: quantity; the cost of a call; the rate's tolerance; how many units to take ahead. Cost and tolerance are
--   microseconds, as a whole number and a rest in 1/quantity microseconds.
-- Returns the time in microseconds, then what each limit's key held before (nil for nothing), as text.
--
-- A limit's key holds the theoretical arrival time in 1/FINE microseconds since the epoch, a lease's key when its last unit
-- will have lapsed. Lua's numbers are whole up to 2^53 only, so microseconds and their last 12 digits are handled apart, and
-- sums are made relative to now.

local DIGITS, FINE = 12, 1e12
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

-- How far ahead of now a stored time is, between nothing and the tolerance.
local function read(stored, limit)
    local whole, rest = 0, 0
    if stored then
        whole = tonumber(string.sub(stored, 1, -DIGITS - 1)) - now
        rest = math.floor(tonumber(string.sub(stored, -DIGITS)) * limit.quantity / FINE + 0.5)
    end
    local most = limit.most
    if whole < 0 then
        return 0, 0, false
    elseif whole > most.whole or (whole == most.whole and rest > most.rest) then
        return most.whole, most.rest, true
    end
    return whole, rest, false
end

local function write(key, quantity, whole, rest)
    local digits = math.floor(rest / quantity * FINE + 0.5)
    local stored = string.format('%.0f%0' .. DIGITS .. '.0f', now + whole, digits)
    -- Redis forgets by whole milliseconds: up to two too many cost nothing, one too few would be a burst too early.
    local full = string.format('%.0f', math.ceil((now + whole) / 1000) + 1)
    redis.call('SET', key, stored, 'PXAT', full)
end

local function cost_of(units, limit)
    local product = units * limit.cost.rest
    local rest = math.fmod(product, limit.quantity)
    return units * limit.cost.whole + (product - rest) / limit.quantity, rest
end

local function charged(units, limit)
    local whole, rest = cost_of(units, limit)
    whole, rest = limit.whole + whole, limit.rest + rest
    if rest >= limit.quantity then
        whole, rest = whole + 1, rest - limit.quantity
    end
    return whole, rest
end

local function fits(units, limit)
    local whole, rest = charged(units, limit)
    return whole < limit.most.whole or (whole == limit.most.whole and rest <= limit.most.rest)
end

-- How many units the limit has room for, as far as anybody asks.
local function room_in(limit, asked)
    local left = limit.most.whole - limit.whole + (limit.most.rest - limit.rest) / limit.quantity
    local guess = math.floor(left / (limit.cost.whole + limit.cost.rest / limit.quantity))
    local units = math.max(0, math.min(guess, asked))
    -- A quotient of floating numbers may be one off.
    while units > 0 and not fits(units, limit) do
        units = units - 1
    end
    while units < asked and fits(units + 1, limit) do
        units = units + 1
    end
    return units
end

local calls, share = tonumber(ARGV[1]), tonumber(ARGV[2])
local answer = { string.format('%.0f', now) }
local limits, admitted = {}, calls
for i = 1, (#ARGV - 2) / 6 do
    local at = 6 * i - 4
    local limit = {
        quantity = tonumber(ARGV[at + 1]),
        cost = { whole = tonumber(ARGV[at + 2]), rest = tonumber(ARGV[at + 3]) },
        most = { whole = tonumber(ARGV[at + 4]), rest = tonumber(ARGV[at + 5]) },
        ahead = tonumber(ARGV[at + 6]),
    }
    local stored = redis.call('GET', KEYS[i])
    limit.whole, limit.rest, limit.is_cut = read(stored, limit)
    limit.room = room_in(limit, calls + share * limit.ahead)
    admitted = math.min(admitted, limit.room)
    limits[i], answer[i + 1] = limit, stored
end

for i, limit in ipairs(limits) do
    local ahead = 0
    if admitted == calls then
        ahead = math.min(limit.ahead, math.floor((limit.room - admitted) / share))
    end
    if admitted + ahead > 0 then
        write(KEYS[i], limit.quantity, charged(admitted + ahead, limit))
    elseif limit.is_cut then
        write(KEYS[i], limit.quantity, limit.whole, limit.rest)
    end
    if ahead > 0 then
        write(KEYS[#limits + i], limit.quantity, cost_of(ahead, limit))
    end
end
return answer
