"""The Stasis application: authorises each outbound call, then meters the carrier leg."""
