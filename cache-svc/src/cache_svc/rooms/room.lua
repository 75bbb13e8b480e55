-- What happens in a room: one step each, and one entry in the log for each change.
--
-- KEYS: the log; the leases; the room's facts, its members, their edges, the messages of its history, other messages; the request id, or
-- the facts again. All are in one slot.
-- ARGV: the name of the command, the room's name in the log, and what the command says below.
--
-- The log is a stream for all rooms of a shard. An entry's id is its position, `<microseconds>-0`, or one more than the last where the clock
-- does not lead on; `before` is the position of the entry before, so that who reads knows whether he has read all.
-- The leases are a sorted set: `<room>:<edge>` by the millisecond in which the edge's members go. Members and edges are hashes by ref; both
-- sorts of messages are streams by position; the facts are a hash: `floor`, up to where messages are not kept any more, `<key>` the bytes of
-- each sort of messages, and how much was said (`count`, `bytes`) in which `second`.

local LOG, LEASES, FACTS, MEMBERS, EDGES, HISTORY, OTHERS, REQUEST = unpack(KEYS)
local LOG_LENGTH, LOG_AGE, LOG_TTL = 10000, 15000000, 3600000  -- entries, microseconds, milliseconds
local OVERHEAD = 200  -- bytes that a message counts for beyond its content

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local room = ARGV[2]
local last

local function number(value)
    return string.format('%d', value)
end

local function add(position, ...)
    redis.call('XADD', LOG, 'MAXLEN', '~', LOG_LENGTH, number(position) .. '-0', ...)
    last = position
end

-- The position of the last change; the log begins with an entry that says so.
local function find_last()
    if not last then
        local entry = redis.call('XREVRANGE', LOG, '+', '-', 'COUNT', 1)[1]
        if entry then
            last = tonumber(string.match(entry[1], '^%d+'))
        else
            add(now, 'room', '', 'before', '0', 'kind', '', 'content', '')
        end
    end
    return last
end

local function tell(kind, content)
    local before = find_last()
    add(math.max(before + 1, now), 'room', room, 'before', number(before), 'kind', kind, 'content', content)
    return last
end

-- Lets the room, and the log, be remembered for a while longer.
local function prolong(ttl)
    for _, key in ipairs({ FACTS, MEMBERS, EDGES, HISTORY, OTHERS }) do
        redis.call('PEXPIRE', key, ttl)
    end
    redis.call('XTRIM', LOG, 'MINID', '~', number(now - LOG_AGE) .. '-0')
    redis.call('PEXPIRE', LOG, LOG_TTL)
    redis.call('PEXPIRE', LEASES, LOG_TTL)
end

local function lease(edge, milliseconds)
    redis.call('ZADD', LEASES, number(now / 1000 + milliseconds), room .. ':' .. edge)
end

local function open(ttl)
    redis.call('HSETNX', FACTS, 'floor', number(find_last()))
    prolong(ttl)
end

local function take_out(ref)
    redis.call('HDEL', EDGES, ref)
    return redis.call('HDEL', MEMBERS, ref) == 1 and tell('left', ref)
end

local function shelve(key, position, content, max_count, max_bytes)
    redis.call('XADD', key, number(position) .. '-0', 'content', content)
    local size = redis.call('HINCRBY', FACTS, key, #content + OVERHEAD)
    local count = redis.call('XLEN', key)
    while count > max_count or (size > max_bytes and count > 1) do
        local oldest = redis.call('XRANGE', key, '-', '+', 'COUNT', 1)[1]
        redis.call('XDEL', key, oldest[1])
        size = redis.call('HINCRBY', FACTS, key, -(#oldest[2][2] + OVERHEAD))
        local floor = math.max(tonumber(string.match(oldest[1], '^%d+')), tonumber(redis.call('HGET', FACTS, 'floor')))
        redis.call('HSET', FACTS, 'floor', number(floor))
        count = count - 1
    end
end

local function admits(size, max_rate, max_byte_rate)
    local second, count, bytes = unpack(redis.call('HMGET', FACTS, 'second', 'count', 'bytes'))
    if second ~= time[1] then
        count, bytes = 0, 0
    end
    count, bytes = tonumber(count) + 1, tonumber(bytes) + size
    if count > max_rate or bytes > max_byte_rate then
        return false
    end
    redis.call('HSET', FACTS, 'second', time[1], 'count', count, 'bytes', bytes)
    return true
end

local commands = {}

-- Where the log ends; begins one where there is none.
function commands.begin()
    local position = find_last()
    redis.call('PEXPIRE', LOG, LOG_TTL)
    return number(position)
end

-- Says: ref, edge, content, for how long an edge without a lease has one, how many members may be, how long all is remembered.
-- Returns the position, or nothing where the room is full.
function commands.enter(ref, edge, content, grace, max_members, ttl)
    local known = redis.call('HGET', MEMBERS, ref)
    if not known and redis.call('HLEN', MEMBERS) >= tonumber(max_members) then
        return false
    end
    local is_same = known == content and redis.call('HGET', EDGES, ref) == edge
    redis.call('HSET', MEMBERS, ref, content)  -- first: a full Redis stops here
    redis.call('HSET', EDGES, ref, edge)
    open(ttl)
    local ends_at = redis.call('ZSCORE', LEASES, room .. ':' .. edge)
    if not ends_at or tonumber(ends_at) < now / 1000 then
        lease(edge, grace)
    end
    return number(is_same and find_last() or tell('entered', content))
end

-- Says: ref.
function commands.leave(ref)
    return take_out(ref) and 1 or 0
end

-- Says: content, whether it is a part of the history (1 or 0), whether there is a request id (1 or 0) and how long it is remembered, how many
-- messages of its sort are kept and how many bytes of them, how many are said in a second and how many bytes, how long all is remembered.
-- Returns the position, or nothing where too much is said.
function commands.publish(content, is_kept, has_id, repeatable, max_count, max_bytes, max_rate, max_byte_rate, ttl)
    local repeated = has_id == '1' and redis.call('GET', REQUEST)
    if repeated then
        return repeated
    end
    open(ttl)
    if not admits(#content, tonumber(max_rate), tonumber(max_byte_rate)) then
        return false
    end
    local position = tell('said', content)
    shelve(is_kept == '1' and HISTORY or OTHERS, position, content, tonumber(max_count), tonumber(max_bytes))
    if has_id == '1' then
        redis.call('SET', REQUEST, number(position), 'PX', repeatable)
    end
    prolong(ttl)
    return number(position)
end

-- Says: edge, after which position, how much history, how long the edge's members stay, how long all is remembered.
-- Returns the position, whether messages are missing (1 or 0), the members, and messages of the history and others.
function commands.watch(edge, after, history, milliseconds, ttl)
    open(ttl)
    lease(edge, milliseconds)
    local kept, others, is_behind = {}, {}, 0
    if tonumber(after) > 0 then
        kept = redis.call('XRANGE', HISTORY, '(' .. after .. '-0', '+')
        others = redis.call('XRANGE', OTHERS, '(' .. after .. '-0', '+')
        is_behind = tonumber(after) < tonumber(redis.call('HGET', FACTS, 'floor')) and 1 or 0
    elseif tonumber(history) > 0 then
        kept = redis.call('XREVRANGE', HISTORY, '+', '-', 'COUNT', history)
    end
    return { number(find_last()), is_behind, redis.call('HVALS', MEMBERS), kept, others }
end

-- Says: edge. Takes out its members, unless it has a lease that holds (it was renewed meanwhile). Returns how many those were.
function commands.expel(edge)
    local ends_at = redis.call('ZSCORE', LEASES, room .. ':' .. edge)
    if not ends_at or tonumber(ends_at) > now / 1000 then
        return 0
    end
    redis.call('ZREM', LEASES, room .. ':' .. edge)
    local edges, count = redis.call('HGETALL', EDGES), 0
    for index = 1, #edges, 2 do
        if edges[index + 1] == edge and take_out(edges[index]) then
            count = count + 1
        end
    end
    return count
end

return commands[ARGV[1]](unpack(ARGV, 3))
