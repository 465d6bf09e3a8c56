# SPDX-License-Identifier: Apache-2.0
#
# The schema is installed; lib/bastion-idl.[ch] are generated from it and from
# the annotations that say which C types the columns get.

dist_pkgdata_DATA += ovsdb-schema/bastion.ovsschema
EXTRA_DIST += ovsdb-schema/bastion-idl.ann

OVSDB_IDLC = $(run_python) $(OVS_SRCDIR)/ovsdb/ovsdb-idlc.in
OVSIDL_BUILT = \
	lib/bastion-idl.ovsidl \
	lib/bastion-idl.c \
	lib/bastion-idl.h
BUILT_SOURCES += $(OVSIDL_BUILT)
CLEANFILES += $(OVSIDL_BUILT)

lib/bastion-idl.ovsidl: \
	ovsdb-schema/bastion.ovsschema \
	ovsdb-schema/bastion-idl.ann \
	$(OVS_SRCDIR)/ovsdb/ovsdb-idlc.in
	$(AM_V_GEN)$(MKDIR_P) lib && $(OVSDB_IDLC) annotate \
		$(srcdir)/ovsdb-schema/bastion.ovsschema \
		$(srcdir)/ovsdb-schema/bastion-idl.ann > $@.tmp && \
	mv $@.tmp $@

# The generator's functions have a local variable 'key', which collides with
# their parameter for Network's column of that name.
idl_rename_key = \
	-e 's/int64_t key)$$/int64_t key_)/' \
	-e 's/key->integer = key;/key->integer = key_;/'

SUFFIXES += .ovsidl
.ovsidl.c:
	$(AM_V_GEN)$(OVSDB_IDLC) c-idl-source $< > $@.tmp && \
	sed $(idl_rename_key) $@.tmp > $@.tmp2 && rm $@.tmp && mv $@.tmp2 $@
.ovsidl.h:
	$(AM_V_GEN)$(OVSDB_IDLC) c-idl-header $< > $@.tmp && mv $@.tmp $@
