-- The live records of an index, confirmed by the records themselves.
--
-- KEYS: the index. ARGV: now, the prefix of records, what stands in the header of a record of this index.

local now = tonumber(ARGV[1])
local members = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ARGV[1], '+inf')) do
    local name = ARGV[2] .. '{' .. string.sub(id, 1, 2) .. '}:' .. id
    local header = redis.call('GETRANGE', name, 0, 25)
    if #header == 26 and string.byte(header) == 1 and string.sub(header, 18) == ARGV[3]
        and struct.unpack('>I8', header, 2) > now then
        members[#members + 1] = id
    end
end
return members
