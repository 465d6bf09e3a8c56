# SPDX-License-Identifier: Apache-2.0
#
# The schema is installed; lib/bastion-idl.[ch] are generated from it and from
# the annotations that say which C types the columns get, and bastion(5) from
# it and from bastion.xml, which must document every column.
#
# Who changes the schema changes its "version" and then its "cksum", to what
# the build says.

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

BUILT_SOURCES += ovsdb-schema/bastion.ovsschema.stamp
CLEANFILES += ovsdb-schema/bastion.ovsschema.stamp
ovsdb-schema/bastion.ovsschema.stamp: ovsdb-schema/bastion.ovsschema
	$(AM_V_GEN)$(MKDIR_P) ovsdb-schema && \
	$(SHELL) $(OVS_SRCDIR)/build-aux/cksum-schema-check \
		$(srcdir)/ovsdb-schema/bastion.ovsschema $@

EXTRA_DIST += ovsdb-schema/bastion.xml
man_MANS += ovsdb-schema/bastion.5
CLEANFILES += ovsdb-schema/bastion.5
ovsdb-schema/bastion.5: \
	ovsdb-schema/bastion.ovsschema \
	ovsdb-schema/bastion.xml \
	$(OVS_SRCDIR)/ovsdb/ovsdb-doc
	$(AM_V_GEN)$(MKDIR_P) ovsdb-schema && \
	$(run_python) $(OVS_SRCDIR)/ovsdb/ovsdb-doc \
		$(srcdir)/ovsdb-schema/bastion.ovsschema \
		$(srcdir)/ovsdb-schema/bastion.xml > $@.tmp && \
	sed '/^\.TH/s/"Open vSwitch.*/"Bastion $(VERSION)" "Bastion Manual"/' \
		$@.tmp > $@.tmp2 && rm $@.tmp && mv $@.tmp2 $@
