-- A page of what is kept of a stream. What the key holds is said in append.lua.
--
-- KEYS: the stream. ARGV: the number of the last event that was seen, how many bytes of events make a page.
-- Returns nothing for a stream that is not kept; its head alone where it does not reach back so far; else its head, its end where the page
-- comes to it, whether there is more (1 or 0), and a list of chunks.

local OVERHEAD = 200  -- as in append.lua
local head, stop, known, from = unpack(redis.call('HMGET', KEYS[1], 'head', 'end', 'last', 'from'))
if not known then
    return {}
end
head, known, from = head or '', tonumber(known), tonumber(from)
local place = tonumber(ARGV[1]) + 1
if place < from then
    return { head }
end

local function find(number)
    return redis.call('HGET', KEYS[1], string.format('%d', number))
end

-- Most readers ask for the beginning, or for what follows a chunk; others are led to the chunk that their place is in.
if place > from and place <= known and not find(place) then
    local number = from
    while number <= place do
        from, number = number, tonumber(string.match(find(number), '^%d+')) + 1
    end
else
    from = place
end

local chunks, size = {}, 0
while from <= known and size < tonumber(ARGV[2]) do
    local chunk = find(from)
    chunks[#chunks + 1] = chunk
    size = size + #chunk + OVERHEAD
    from = tonumber(string.match(chunk, '^%d+')) + 1
end
local has_more = from <= known
return { head, not has_more and stop or '', has_more and 1 or 0, chunks }
