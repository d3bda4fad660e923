#!/bin/sh
# Prints a folder in memory with 2 GB free, in which programs may be run; nothing where there is none.
#
# A disk that others share stands still for seconds at times. A paid call then ends, as it must, for its next
# increment is not paid; a test of something else wants a disk that does not.
shm=/dev/shm
[ -d "$shm" ] && [ -w "$shm" ] || exit 0
[ "$(df --output=avail "$shm" | tail -1)" -gt 2000000 ] || exit 0
probe=$(mktemp "$shm/tollgate-probe.XXXXXX")
printf '#!/bin/sh\n' >"$probe" && chmod 700 "$probe"
"$probe" 2>/dev/null && echo "$shm"
rm "$probe"
