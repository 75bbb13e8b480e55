"""The codes of close frames that the gateway sends, and two that nobody sends (RFC 6455, section 7.4; IANA's registry). Pure."""

GOING_AWAY = 1001
UNSUPPORTED = 1003
NO_STATUS = 1005  # the peer's close frame held no code
ABNORMAL = 1006  # there was no close frame
POLICY = 1008
INTERNAL = 1011
RESTARTING = 1012
TRY_LATER = 1013

LEAST_OWN = 3000  # from here on clients and applications choose their own
