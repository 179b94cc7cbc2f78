-- What a hold begins with that is not counted in the same step: all of ARGV is the show's.
local U = #ARGV
