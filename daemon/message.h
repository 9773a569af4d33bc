/*
 * message.h - MESSAGE_ID of the log lines an admin acts on, for the journal.
 *
 * systemd/natd.catalog tells what each means and what to do (journalctl -x).  An id,
 * once released, keeps its meaning: scripts and alerts match it.
 */
#pragma once

/* Fields for log_*_with(): the id alone. */
#define MESSAGE(id) LOG_FIELDS({ LOG_MESSAGE_ID, id })

/* a port is open, for the first time or again */
#define MESSAGE_MAPPING_ACTIVE "bb4e521e58477f0c1e0c8a284ec39b7b"
/* an open port has another external address or number */
#define MESSAGE_MAPPING_CHANGED "499f96e20f0957d23311275aa0ecf860"
/* a port cannot be opened; natd goes on trying */
#define MESSAGE_MAPPING_FAILED "3209db22714e37d78fb92ae134a0a43c"
/* a port is open, but its renewal fails */
#define MESSAGE_MAPPING_DEGRADED "f20384cd4d3e02506822044da1c9bae6"
/* an open port is closed, as was asked or planned */
#define MESSAGE_MAPPING_RELEASED "5922dda630a547859de539f378a66e0f"
/* the router offers no way to map ports */
#define MESSAGE_NO_METHOD "304d252c208389ba81f831397d298e61"
/* there is no router to ask */
#define MESSAGE_NO_UPLINK "7193ab2d72898fda7d6fc0c5740ad8ad"
/* a router lost its mappings; they are asked for again */
#define MESSAGE_GATEWAY_RESTARTED "534e97acb8f55c81936a2f4279254898"
/* a router has another external address */
#define MESSAGE_ADDRESS_CHANGED "84157cc1f87f3b54e884f2dcb3d4b6b4"
/* a router has no external address any more */
#define MESSAGE_ADDRESS_LOST "36678fb575d534ce22b0ef250af0f227"
/* a router's external address is itself behind a NAT */
#define MESSAGE_BEHIND_NAT "f62396fcaea5c4edaf35ef76561a9039"
/* what is held cannot be saved, or could not be read */
#define MESSAGE_STATE_TROUBLE "db50ca034d04f62478a8b286da6d461d"
/* a mistake in the configuration */
#define MESSAGE_CONFIGURATION "fe6041b141d85274b992961a5943dae7"
/* natd cannot start */
#define MESSAGE_CANNOT_START "1461f917efd0a2ce1b88e3b9c4e3b304"
