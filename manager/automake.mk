# SPDX-License-Identifier: Apache-2.0
#
# Files that include json-c's headers, as collectors do, go into
# manager_libcollectors_la_SOURCES.  There, json_object_put() is json-c's;
# everywhere else it is another name of Open vSwitch's function, which has the
# same name.  All other files but main()'s go into
# manager_libmanager_la_SOURCES.

noinst_LTLIBRARIES += manager/libcollectors.la manager/libmanager.la
manager_libcollectors_la_CPPFLAGS = $(AM_CPPFLAGS) -Ujson_object_put
manager_libcollectors_la_CFLAGS = \
	$(AM_CFLAGS) $(JSON_C_CFLAGS) $(LIBEVENT_CFLAGS)
manager_libcollectors_la_SOURCES = \
	manager/docker-parse.c \
	manager/docker-parse.h \
	manager/docker.c \
	manager/json-reader.c \
	manager/json-reader.h \
	manager/kubernetes.c \
	manager/kubernetes-parse.c \
	manager/kubernetes-parse.h
manager_libcollectors_la_LIBADD = $(JSON_C_LIBS) manager/libmanager.la

manager_libmanager_la_CFLAGS = \
	$(AM_CFLAGS) $(LIBEVENT_CFLAGS) $(CURL_CFLAGS) $(YAML_CFLAGS)
manager_libmanager_la_SOURCES = \
	manager/collector.c \
	manager/collector.h \
	manager/compose-file.c \
	manager/compose-file.h \
	manager/desired.c \
	manager/desired.h \
	manager/docker-model.c \
	manager/docker-model.h \
	manager/event-loop.c \
	manager/event-loop.h \
	manager/http-client.c \
	manager/http-client.h \
	manager/kubernetes-config.c \
	manager/kubernetes-config.h \
	manager/kubernetes-model.c \
	manager/kubernetes-model.h \
	manager/netpol-classes.c \
	manager/netpol-classes.h \
	manager/netpol.c \
	manager/netpol.h \
	manager/platforms.c \
	manager/platforms.h \
	manager/reconcile-index.c \
	manager/reconcile-index.h \
	manager/reconcile.c \
	manager/reconcile.h
manager_libmanager_la_LIBADD = \
	lib/libbastion.la $(LIBEVENT_LIBS) $(CURL_LIBS) $(YAML_LIBS)

sbin_PROGRAMS += manager/bastion-manager
dist_man_MANS += manager/bastion-manager.8
manager_bastion_manager_SOURCES = manager/bastion-manager.c
manager_bastion_manager_LDADD = \
	manager/libcollectors.la manager/libmanager.la

EXTRA_DIST += \
	kubernetes/bastion.yaml \
	kubernetes/namespace.yaml \
	kubernetes/rbac.yaml
