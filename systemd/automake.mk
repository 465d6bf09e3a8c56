# SPDX-License-Identifier: Apache-2.0
#
# Units that --with-systemdsystemunitdir=DIR installs.  A new NAME.service.in
# goes into UNITS as systemd/NAME.service.

UNITS = \
	systemd/bastion-controller.service \
	systemd/bastion-manager.service \
	systemd/bastion-ovsdb.service
EXTRA_DIST += \
	systemd/bastion-controller.service.in \
	systemd/bastion-manager.service.in \
	systemd/bastion-ovsdb.service.in
CLEANFILES += $(UNITS)

if INSTALL_UNITS
systemdsystemunit_DATA = $(UNITS)
endif

SUFFIXES += .service .service.in
.service.in.service:
	$(AM_V_GEN)$(MKDIR_P) systemd && $(SED) \
		-e 's,[@]pkgdatadir[@],$(pkgdatadir),g' \
		-e 's,[@]sbindir[@],$(sbindir),g' $< > $@.tmp && \
	mv $@.tmp $@
