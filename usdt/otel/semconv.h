/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otel/semconv.h: names of attributes that OpenTelemetry gives a meaning to: the semantic conventions,
 * version 1.44.0. Whatever sits behind the collector knows them.
 *
 *     OTEL_SPAN(span, &shop, "GET /order", otel_kind(OTEL_SERVER), otel_str(OTEL_HTTP_REQUEST_METHOD, "GET"),
 *               otel_str(OTEL_URL_PATH, path));
 *
 * The name of a macro is that of the attribute. They are string literals; those that are completed by a
 * name are, too: OTEL_HTTP_REQUEST_HEADER ".accept". What is not stable may be called otherwise in later
 * versions; what is deprecated is not here, but for exception.escaped, which this library writes.
 */
#ifndef OTEL_SEMCONV_H
#define OTEL_SEMCONV_H

#define OTEL_SEMCONV_VERSION "1.44.0"

/** What a tracer says if its spans follow this version: see OTEL_TRACER_WITH_SCHEMA(). */
#define OTEL_SEMCONV_SCHEMA_URL "https://opentelemetry.io/schemas/1.44.0"

/* ---- General ----------------------------------------------------------------------------------- */

#define OTEL_SERVER_ADDRESS "server.address"
#define OTEL_SERVER_PORT "server.port"

#define OTEL_CLIENT_ADDRESS "client.address"
#define OTEL_CLIENT_PORT "client.port"

#define OTEL_NETWORK_LOCAL_ADDRESS "network.local.address"
#define OTEL_NETWORK_LOCAL_PORT "network.local.port"
#define OTEL_NETWORK_PEER_ADDRESS "network.peer.address"
#define OTEL_NETWORK_PEER_PORT "network.peer.port"
#define OTEL_NETWORK_PROTOCOL_NAME "network.protocol.name"
#define OTEL_NETWORK_PROTOCOL_VERSION "network.protocol.version"
#define OTEL_NETWORK_TRANSPORT "network.transport"
#define OTEL_NETWORK_TYPE "network.type"

/* Not stable yet. */
#define OTEL_NETWORK_CONNECTION_STATE "network.connection.state"
#define OTEL_NETWORK_CONNECTION_SUBTYPE "network.connection.subtype"
#define OTEL_NETWORK_CONNECTION_TYPE "network.connection.type"
#define OTEL_NETWORK_INTERFACE_NAME "network.interface.name"
#define OTEL_NETWORK_IO_DIRECTION "network.io.direction"

#define OTEL_URL_FRAGMENT "url.fragment"
#define OTEL_URL_FULL "url.full"
#define OTEL_URL_PATH "url.path"
#define OTEL_URL_QUERY "url.query"
#define OTEL_URL_SCHEME "url.scheme"

/* Not stable yet. */
#define OTEL_URL_DOMAIN "url.domain"
#define OTEL_URL_EXTENSION "url.extension"
#define OTEL_URL_ORIGINAL "url.original"
#define OTEL_URL_PORT "url.port"
#define OTEL_URL_REGISTERED_DOMAIN "url.registered_domain"
#define OTEL_URL_SUBDOMAIN "url.subdomain"
#define OTEL_URL_TEMPLATE "url.template"
#define OTEL_URL_TOP_LEVEL_DOMAIN "url.top_level_domain"

#define OTEL_ERROR_TYPE "error.type"

#define OTEL_USER_AGENT_ORIGINAL "user_agent.original"

/* Not stable yet. */
#define OTEL_USER_AGENT_NAME "user_agent.name"
#define OTEL_USER_AGENT_OS_NAME "user_agent.os.name"
#define OTEL_USER_AGENT_OS_VERSION "user_agent.os.version"
#define OTEL_USER_AGENT_SYNTHETIC_TYPE "user_agent.synthetic.type"
#define OTEL_USER_AGENT_VERSION "user_agent.version"

/* Not stable yet. */
#define OTEL_THREAD_ID "thread.id"
#define OTEL_THREAD_NAME "thread.name"

/* ---- HTTP -------------------------------------------------------------------------------------- */

#define OTEL_HTTP_REQUEST_HEADER "http.request.header" /* and a name behind it */
#define OTEL_HTTP_REQUEST_METHOD "http.request.method"
#define OTEL_HTTP_REQUEST_METHOD_ORIGINAL "http.request.method_original"
#define OTEL_HTTP_REQUEST_RESEND_COUNT "http.request.resend_count"
#define OTEL_HTTP_RESPONSE_HEADER "http.response.header" /* and a name behind it */
#define OTEL_HTTP_RESPONSE_STATUS_CODE "http.response.status_code"
#define OTEL_HTTP_ROUTE "http.route"

/* Not stable yet. */
#define OTEL_HTTP_CONNECTION_STATE "http.connection.state"
#define OTEL_HTTP_REQUEST_BODY_SIZE "http.request.body.size"
#define OTEL_HTTP_REQUEST_SIZE "http.request.size"
#define OTEL_HTTP_RESPONSE_BODY_SIZE "http.response.body.size"
#define OTEL_HTTP_RESPONSE_SIZE "http.response.size"

/* ---- Databases --------------------------------------------------------------------------------- */

#define OTEL_DB_COLLECTION_NAME "db.collection.name"
#define OTEL_DB_NAMESPACE "db.namespace"
#define OTEL_DB_OPERATION_BATCH_SIZE "db.operation.batch.size"
#define OTEL_DB_OPERATION_NAME "db.operation.name"
#define OTEL_DB_QUERY_SUMMARY "db.query.summary"
#define OTEL_DB_QUERY_TEXT "db.query.text"
#define OTEL_DB_RESPONSE_STATUS_CODE "db.response.status_code"
#define OTEL_DB_STORED_PROCEDURE_NAME "db.stored_procedure.name"
#define OTEL_DB_SYSTEM_NAME "db.system.name"

/* Not stable yet. */
#define OTEL_DB_CLIENT_CONNECTION_POOL_NAME "db.client.connection.pool.name"
#define OTEL_DB_CLIENT_CONNECTION_STATE "db.client.connection.state"
#define OTEL_DB_OPERATION_PARAMETER "db.operation.parameter" /* and a name behind it */
#define OTEL_DB_QUERY_PARAMETER "db.query.parameter" /* and a name behind it */
#define OTEL_DB_RESPONSE_RETURNED_ROWS "db.response.returned_rows"

/* ---- Remote procedure calls -------------------------------------------------------------------- */

/* Not stable yet. */
#define OTEL_RPC_METHOD "rpc.method"
#define OTEL_RPC_METHOD_ORIGINAL "rpc.method_original"
#define OTEL_RPC_REQUEST_METADATA "rpc.request.metadata" /* and a name behind it */
#define OTEL_RPC_RESPONSE_METADATA "rpc.response.metadata" /* and a name behind it */
#define OTEL_RPC_RESPONSE_STATUS_CODE "rpc.response.status_code"
#define OTEL_RPC_SYSTEM_NAME "rpc.system.name"

/* ---- Messaging --------------------------------------------------------------------------------- */

/* Not stable yet. */
#define OTEL_MESSAGING_BATCH_MESSAGE_COUNT "messaging.batch.message_count"
#define OTEL_MESSAGING_CLIENT_ID "messaging.client.id"
#define OTEL_MESSAGING_CONSUMER_GROUP_NAME "messaging.consumer.group.name"
#define OTEL_MESSAGING_DESTINATION_ANONYMOUS "messaging.destination.anonymous"
#define OTEL_MESSAGING_DESTINATION_NAME "messaging.destination.name"
#define OTEL_MESSAGING_DESTINATION_PARTITION_ID "messaging.destination.partition.id"
#define OTEL_MESSAGING_DESTINATION_SUBSCRIPTION_NAME "messaging.destination.subscription.name"
#define OTEL_MESSAGING_DESTINATION_TEMPLATE "messaging.destination.template"
#define OTEL_MESSAGING_DESTINATION_TEMPORARY "messaging.destination.temporary"
#define OTEL_MESSAGING_EVENTHUBS_MESSAGE_ENQUEUED_TIME "messaging.eventhubs.message.enqueued_time"
#define OTEL_MESSAGING_GCP_PUBSUB_MESSAGE_ACK_DEADLINE "messaging.gcp_pubsub.message.ack_deadline"
#define OTEL_MESSAGING_GCP_PUBSUB_MESSAGE_ACK_ID "messaging.gcp_pubsub.message.ack_id"
#define OTEL_MESSAGING_GCP_PUBSUB_MESSAGE_DELIVERY_ATTEMPT "messaging.gcp_pubsub.message.delivery_attempt"
#define OTEL_MESSAGING_GCP_PUBSUB_MESSAGE_ORDERING_KEY "messaging.gcp_pubsub.message.ordering_key"
#define OTEL_MESSAGING_KAFKA_CLUSTER_ID "messaging.kafka.cluster.id"
#define OTEL_MESSAGING_KAFKA_MESSAGE_KEY "messaging.kafka.message.key"
#define OTEL_MESSAGING_KAFKA_MESSAGE_TOMBSTONE "messaging.kafka.message.tombstone"
#define OTEL_MESSAGING_KAFKA_OFFSET "messaging.kafka.offset"
#define OTEL_MESSAGING_MESSAGE_BODY_SIZE "messaging.message.body.size"
#define OTEL_MESSAGING_MESSAGE_CONVERSATION_ID "messaging.message.conversation_id"
#define OTEL_MESSAGING_MESSAGE_ENVELOPE_SIZE "messaging.message.envelope.size"
#define OTEL_MESSAGING_MESSAGE_ID "messaging.message.id"
#define OTEL_MESSAGING_OPERATION_NAME "messaging.operation.name"
#define OTEL_MESSAGING_OPERATION_TYPE "messaging.operation.type"
#define OTEL_MESSAGING_RABBITMQ_DESTINATION_ROUTING_KEY "messaging.rabbitmq.destination.routing_key"
#define OTEL_MESSAGING_RABBITMQ_MESSAGE_DELIVERY_TAG "messaging.rabbitmq.message.delivery_tag"
#define OTEL_MESSAGING_ROCKETMQ_CONSUMPTION_MODEL "messaging.rocketmq.consumption_model"
#define OTEL_MESSAGING_ROCKETMQ_MESSAGE_DELAY_TIME_LEVEL "messaging.rocketmq.message.delay_time_level"
#define OTEL_MESSAGING_ROCKETMQ_MESSAGE_DELIVERY_TIMESTAMP "messaging.rocketmq.message.delivery_timestamp"
#define OTEL_MESSAGING_ROCKETMQ_MESSAGE_GROUP "messaging.rocketmq.message.group"
#define OTEL_MESSAGING_ROCKETMQ_MESSAGE_KEYS "messaging.rocketmq.message.keys"
#define OTEL_MESSAGING_ROCKETMQ_MESSAGE_TAG "messaging.rocketmq.message.tag"
#define OTEL_MESSAGING_ROCKETMQ_MESSAGE_TYPE "messaging.rocketmq.message.type"
#define OTEL_MESSAGING_ROCKETMQ_NAMESPACE "messaging.rocketmq.namespace"
#define OTEL_MESSAGING_SERVICEBUS_DISPOSITION_STATUS "messaging.servicebus.disposition_status"
#define OTEL_MESSAGING_SERVICEBUS_MESSAGE_DELIVERY_COUNT "messaging.servicebus.message.delivery_count"
#define OTEL_MESSAGING_SERVICEBUS_MESSAGE_ENQUEUED_TIME "messaging.servicebus.message.enqueued_time"
#define OTEL_MESSAGING_SYSTEM "messaging.system"

/* ---- Functions as a service -------------------------------------------------------------------- */

/* Not stable yet. */
#define OTEL_FAAS_COLDSTART "faas.coldstart"
#define OTEL_FAAS_CRON "faas.cron"
#define OTEL_FAAS_DOCUMENT_COLLECTION "faas.document.collection"
#define OTEL_FAAS_DOCUMENT_NAME "faas.document.name"
#define OTEL_FAAS_DOCUMENT_OPERATION "faas.document.operation"
#define OTEL_FAAS_DOCUMENT_TIME "faas.document.time"
#define OTEL_FAAS_INSTANCE "faas.instance"
#define OTEL_FAAS_INVOCATION_ID "faas.invocation_id"
#define OTEL_FAAS_INVOKED_NAME "faas.invoked_name"
#define OTEL_FAAS_INVOKED_PROVIDER "faas.invoked_provider"
#define OTEL_FAAS_INVOKED_REGION "faas.invoked_region"
#define OTEL_FAAS_MAX_MEMORY "faas.max_memory"
#define OTEL_FAAS_NAME "faas.name"
#define OTEL_FAAS_TIME "faas.time"
#define OTEL_FAAS_TRIGGER "faas.trigger"
#define OTEL_FAAS_VERSION "faas.version"

/* ---- Exceptions -------------------------------------------------------------------------------- */

#define OTEL_EXCEPTION_ESCAPED "exception.escaped"
#define OTEL_EXCEPTION_MESSAGE "exception.message"
#define OTEL_EXCEPTION_STACKTRACE "exception.stacktrace"
#define OTEL_EXCEPTION_TYPE "exception.type"

/* ---- Source code ------------------------------------------------------------------------------- */

#define OTEL_CODE_COLUMN_NUMBER "code.column.number"
#define OTEL_CODE_FILE_PATH "code.file.path"
#define OTEL_CODE_FUNCTION_NAME "code.function.name"
#define OTEL_CODE_LINE_NUMBER "code.line.number"
#define OTEL_CODE_STACKTRACE "code.stacktrace"

/* ---- Resources: service, deployment, telemetry ------------------------------------------------- */

#define OTEL_SERVICE_INSTANCE_ID "service.instance.id"
#define OTEL_SERVICE_NAME "service.name"
#define OTEL_SERVICE_NAMESPACE "service.namespace"
#define OTEL_SERVICE_VERSION "service.version"

/* Not stable yet. */
#define OTEL_SERVICE_CRITICALITY "service.criticality"
#define OTEL_SERVICE_PEER_NAME "service.peer.name"
#define OTEL_SERVICE_PEER_NAMESPACE "service.peer.namespace"

#define OTEL_DEPLOYMENT_ENVIRONMENT_NAME "deployment.environment.name"

/* Not stable yet. */
#define OTEL_DEPLOYMENT_ID "deployment.id"
#define OTEL_DEPLOYMENT_NAME "deployment.name"
#define OTEL_DEPLOYMENT_STATUS "deployment.status"

#define OTEL_TELEMETRY_DISTRO_NAME "telemetry.distro.name"
#define OTEL_TELEMETRY_DISTRO_VERSION "telemetry.distro.version"
#define OTEL_TELEMETRY_SDK_LANGUAGE "telemetry.sdk.language"
#define OTEL_TELEMETRY_SDK_NAME "telemetry.sdk.name"
#define OTEL_TELEMETRY_SDK_VERSION "telemetry.sdk.version"

/* ---- Resources: host, operating system, process ------------------------------------------------ */

/* Not stable yet. */
#define OTEL_HOST_ARCH "host.arch"
#define OTEL_HOST_CPU_CACHE_L2_SIZE "host.cpu.cache.l2.size"
#define OTEL_HOST_CPU_FAMILY "host.cpu.family"
#define OTEL_HOST_CPU_MODEL_ID "host.cpu.model.id"
#define OTEL_HOST_CPU_MODEL_NAME "host.cpu.model.name"
#define OTEL_HOST_CPU_STEPPING "host.cpu.stepping"
#define OTEL_HOST_CPU_VENDOR_ID "host.cpu.vendor.id"
#define OTEL_HOST_ID "host.id"
#define OTEL_HOST_IMAGE_ID "host.image.id"
#define OTEL_HOST_IMAGE_NAME "host.image.name"
#define OTEL_HOST_IMAGE_VERSION "host.image.version"
#define OTEL_HOST_IP "host.ip"
#define OTEL_HOST_MAC "host.mac"
#define OTEL_HOST_NAME "host.name"
#define OTEL_HOST_TYPE "host.type"

/* Not stable yet. */
#define OTEL_OS_BUILD_ID "os.build_id"
#define OTEL_OS_DESCRIPTION "os.description"
#define OTEL_OS_NAME "os.name"
#define OTEL_OS_TYPE "os.type"
#define OTEL_OS_VERSION "os.version"

/* Not stable yet. */
#define OTEL_PROCESS_ARGS_COUNT "process.args_count"
#define OTEL_PROCESS_COMMAND "process.command"
#define OTEL_PROCESS_COMMAND_ARGS "process.command_args"
#define OTEL_PROCESS_COMMAND_LINE "process.command_line"
#define OTEL_PROCESS_CONTEXT_SWITCH_TYPE "process.context_switch.type"
#define OTEL_PROCESS_CREATION_TIME "process.creation.time"
#define OTEL_PROCESS_ENVIRONMENT_VARIABLE "process.environment_variable" /* and a name behind it */
#define OTEL_PROCESS_EXECUTABLE_BUILD_ID_GNU "process.executable.build_id.gnu"
#define OTEL_PROCESS_EXECUTABLE_BUILD_ID_GO "process.executable.build_id.go"
#define OTEL_PROCESS_EXECUTABLE_BUILD_ID_HTLHASH "process.executable.build_id.htlhash"
#define OTEL_PROCESS_EXECUTABLE_NAME "process.executable.name"
#define OTEL_PROCESS_EXECUTABLE_PATH "process.executable.path"
#define OTEL_PROCESS_EXIT_CODE "process.exit.code"
#define OTEL_PROCESS_EXIT_TIME "process.exit.time"
#define OTEL_PROCESS_GROUP_LEADER_PID "process.group_leader.pid"
#define OTEL_PROCESS_INTERACTIVE "process.interactive"
#define OTEL_PROCESS_LINUX_CGROUP "process.linux.cgroup"
#define OTEL_PROCESS_OWNER "process.owner"
#define OTEL_PROCESS_PARENT_PID "process.parent_pid"
#define OTEL_PROCESS_PID "process.pid"
#define OTEL_PROCESS_REAL_USER_ID "process.real_user.id"
#define OTEL_PROCESS_REAL_USER_NAME "process.real_user.name"
#define OTEL_PROCESS_RUNTIME_DESCRIPTION "process.runtime.description"
#define OTEL_PROCESS_RUNTIME_NAME "process.runtime.name"
#define OTEL_PROCESS_RUNTIME_VERSION "process.runtime.version"
#define OTEL_PROCESS_SAVED_USER_ID "process.saved_user.id"
#define OTEL_PROCESS_SAVED_USER_NAME "process.saved_user.name"
#define OTEL_PROCESS_SESSION_LEADER_PID "process.session_leader.pid"
#define OTEL_PROCESS_STATE "process.state"
#define OTEL_PROCESS_TITLE "process.title"
#define OTEL_PROCESS_USER_ID "process.user.id"
#define OTEL_PROCESS_USER_NAME "process.user.name"
#define OTEL_PROCESS_VPID "process.vpid"
#define OTEL_PROCESS_WORKING_DIRECTORY "process.working_directory"

/* ---- Resources: containers --------------------------------------------------------------------- */

#define OTEL_CONTAINER_ID "container.id"
#define OTEL_CONTAINER_IMAGE_NAME "container.image.name"
#define OTEL_CONTAINER_IMAGE_REPO_DIGESTS "container.image.repo_digests"
#define OTEL_CONTAINER_IMAGE_TAGS "container.image.tags"

/* Not stable yet. */
#define OTEL_CONTAINER_COMMAND "container.command"
#define OTEL_CONTAINER_COMMAND_ARGS "container.command_args"
#define OTEL_CONTAINER_COMMAND_LINE "container.command_line"
#define OTEL_CONTAINER_CSI_PLUGIN_NAME "container.csi.plugin.name"
#define OTEL_CONTAINER_CSI_VOLUME_ID "container.csi.volume.id"
#define OTEL_CONTAINER_IMAGE_ID "container.image.id"
#define OTEL_CONTAINER_LABEL "container.label" /* and a name behind it */
#define OTEL_CONTAINER_NAME "container.name"
#define OTEL_CONTAINER_RUNTIME_DESCRIPTION "container.runtime.description"
#define OTEL_CONTAINER_RUNTIME_NAME "container.runtime.name"
#define OTEL_CONTAINER_RUNTIME_VERSION "container.runtime.version"

#define OTEL_K8S_CLUSTER_NAME "k8s.cluster.name"
#define OTEL_K8S_CLUSTER_UID "k8s.cluster.uid"
#define OTEL_K8S_CONTAINER_NAME "k8s.container.name"
#define OTEL_K8S_CONTAINER_RESTART_COUNT "k8s.container.restart_count"
#define OTEL_K8S_CRONJOB_ANNOTATION "k8s.cronjob.annotation" /* and a name behind it */
#define OTEL_K8S_CRONJOB_LABEL "k8s.cronjob.label" /* and a name behind it */
#define OTEL_K8S_CRONJOB_NAME "k8s.cronjob.name"
#define OTEL_K8S_CRONJOB_UID "k8s.cronjob.uid"
#define OTEL_K8S_DAEMONSET_ANNOTATION "k8s.daemonset.annotation" /* and a name behind it */
#define OTEL_K8S_DAEMONSET_LABEL "k8s.daemonset.label" /* and a name behind it */
#define OTEL_K8S_DAEMONSET_NAME "k8s.daemonset.name"
#define OTEL_K8S_DAEMONSET_UID "k8s.daemonset.uid"
#define OTEL_K8S_DEPLOYMENT_ANNOTATION "k8s.deployment.annotation" /* and a name behind it */
#define OTEL_K8S_DEPLOYMENT_LABEL "k8s.deployment.label" /* and a name behind it */
#define OTEL_K8S_DEPLOYMENT_NAME "k8s.deployment.name"
#define OTEL_K8S_DEPLOYMENT_UID "k8s.deployment.uid"
#define OTEL_K8S_JOB_ANNOTATION "k8s.job.annotation" /* and a name behind it */
#define OTEL_K8S_JOB_LABEL "k8s.job.label" /* and a name behind it */
#define OTEL_K8S_JOB_NAME "k8s.job.name"
#define OTEL_K8S_JOB_UID "k8s.job.uid"
#define OTEL_K8S_NAMESPACE_ANNOTATION "k8s.namespace.annotation" /* and a name behind it */
#define OTEL_K8S_NAMESPACE_LABEL "k8s.namespace.label" /* and a name behind it */
#define OTEL_K8S_NAMESPACE_NAME "k8s.namespace.name"
#define OTEL_K8S_NODE_ANNOTATION "k8s.node.annotation" /* and a name behind it */
#define OTEL_K8S_NODE_LABEL "k8s.node.label" /* and a name behind it */
#define OTEL_K8S_NODE_NAME "k8s.node.name"
#define OTEL_K8S_NODE_UID "k8s.node.uid"
#define OTEL_K8S_POD_ANNOTATION "k8s.pod.annotation" /* and a name behind it */
#define OTEL_K8S_POD_HOSTNAME "k8s.pod.hostname"
#define OTEL_K8S_POD_IP "k8s.pod.ip"
#define OTEL_K8S_POD_LABEL "k8s.pod.label" /* and a name behind it */
#define OTEL_K8S_POD_NAME "k8s.pod.name"
#define OTEL_K8S_POD_START_TIME "k8s.pod.start_time"
#define OTEL_K8S_POD_UID "k8s.pod.uid"
#define OTEL_K8S_REPLICASET_ANNOTATION "k8s.replicaset.annotation" /* and a name behind it */
#define OTEL_K8S_REPLICASET_LABEL "k8s.replicaset.label" /* and a name behind it */
#define OTEL_K8S_REPLICASET_NAME "k8s.replicaset.name"
#define OTEL_K8S_REPLICASET_UID "k8s.replicaset.uid"
#define OTEL_K8S_STATEFULSET_ANNOTATION "k8s.statefulset.annotation" /* and a name behind it */
#define OTEL_K8S_STATEFULSET_LABEL "k8s.statefulset.label" /* and a name behind it */
#define OTEL_K8S_STATEFULSET_NAME "k8s.statefulset.name"
#define OTEL_K8S_STATEFULSET_UID "k8s.statefulset.uid"

/* Not stable yet. */
#define OTEL_K8S_HPA_NAME "k8s.hpa.name"
#define OTEL_K8S_REPLICATIONCONTROLLER_NAME "k8s.replicationcontroller.name"
#define OTEL_K8S_REPLICATIONCONTROLLER_UID "k8s.replicationcontroller.uid"
#define OTEL_K8S_SERVICE_NAME "k8s.service.name"
#define OTEL_K8S_SERVICE_UID "k8s.service.uid"
#define OTEL_K8S_STORAGECLASS_NAME "k8s.storageclass.name"
#define OTEL_K8S_VOLUME_NAME "k8s.volume.name"
#define OTEL_K8S_VOLUME_TYPE "k8s.volume.type"

#endif
