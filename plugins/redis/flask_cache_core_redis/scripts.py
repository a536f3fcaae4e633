"""What must happen at the server at once. Each script has one key, as a cluster demands.

They are sent in full: a few hundred bytes, and right for a server that has just taken over.
"""

from __future__ import annotations

from typing import Final

#: Delta, milliseconds (0: never) → the new value, or nil for what is no integer.
#: The reply is a string, because a number would pass through a double.
INCREMENT: Final = b"""
local made
if ARGV[2] == '0' then
  made = redis.call('SET', KEYS[1], '0', 'NX')
else
  made = redis.call('SET', KEYS[1], '0', 'NX', 'PX', ARGV[2])
end
if type(redis.pcall('INCRBY', KEYS[1], ARGV[1])) == 'table' then
  if made then redis.call('DEL', KEYS[1]) end
  return false
end
return redis.call('GET', KEYS[1])
"""

#: Expected, new, milliseconds (0: never) → whether *expected* was there.
REPLACE: Final = b"""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[3] == '0' then
  redis.call('SET', KEYS[1], ARGV[2])
else
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return 1
"""

#: Expected → whether *expected* was there.
REMOVE: Final = b"""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""
