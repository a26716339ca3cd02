#!/bin/sh
# What a container of the image does, by its first word. POSIX sh. Runs outside a container too (the tests do).
#
#   driver …, executor …      as Spark on Kubernetes starts its pods, by Spark's own variables
#   master …                  a standalone master on this host
#   worker … spark://M:7077   a standalone worker of it
#   submit …                  spark-submit to a standalone cluster
#   anything else             that command
#
# A standalone cluster's secret is read from $SPARK_SECRET_FILE. Spark wants it as a property: it goes into
# spark-defaults.conf of a copy of SPARK_CONF_DIR that only this user reads, and into no command line and no log.
set -eu

: "${SPARK_HOME:?SPARK_HOME is not set: expected the folder of the Spark to run}"
here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)

private_conf() {
    secret_file=${SPARK_SECRET_FILE:-/run/secrets/spark}
    if ! [ -r "$secret_file" ]; then
        echo "entrypoint.sh: no secret: expected a file that holds it, $secret_file (SPARK_SECRET_FILE names another)" >&2
        exit 1
    fi
    if [ "$(grep -c . "$secret_file")" -ne 1 ]; then    # a second line would be a property, which Spark prints
        echo "entrypoint.sh: expected a secret of one line in $secret_file: openssl rand -hex 32 makes one" >&2
        exit 1
    fi
    own=${SPARK_CONF_DIR:-$SPARK_HOME/conf}
    SPARK_CONF_DIR=$(mktemp -d)    # mode 700
    export SPARK_CONF_DIR
    if [ -d "$own" ]; then cp -R "$own/." "$SPARK_CONF_DIR"; fi
    {
        echo    # the last line of what was there may have no end
        grep -E '^spark\.(authenticate|network\.crypto)' "$here/conf/spark/standalone-cpu.conf"
        printf 'spark.master.rest.enabled false\n'    # it takes jobs from anybody
        printf 'spark.authenticate.secret %s\n' "$(cat "$secret_file")"
    } >> "$SPARK_CONF_DIR/spark-defaults.conf"
}

kubernetes_executor() {
    # The options of the executor's JVM come as SPARK_JAVA_OPT_0, SPARK_JAVA_OPT_1…; each may hold spaces.
    i=0
    set --
    while eval "[ -n \"\${SPARK_JAVA_OPT_$i+set}\" ]"; do
        eval "set -- \"\$@\" \"\$SPARK_JAVA_OPT_$i\""
        i=$((i + 1))
    done
    exec "$JAVA_HOME/bin/java" "$@" -Xms"$SPARK_EXECUTOR_MEMORY" -Xmx"$SPARK_EXECUTOR_MEMORY" \
        -cp "${SPARK_CONF_DIR:+$SPARK_CONF_DIR:}${HADOOP_CONF_DIR:+$HADOOP_CONF_DIR:}${SPARK_CLASSPATH:+$SPARK_CLASSPATH:}$SPARK_HOME/jars/*" \
        org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend \
        --driver-url "$SPARK_DRIVER_URL" --executor-id "$SPARK_EXECUTOR_ID" --cores "$SPARK_EXECUTOR_CORES" \
        --app-id "$SPARK_APPLICATION_ID" --hostname "$SPARK_EXECUTOR_POD_IP" \
        --resourceProfileId "$SPARK_RESOURCE_PROFILE_ID" --podName "$SPARK_EXECUTOR_POD_NAME"
}

role=${1:-}
case "$role" in
driver)
    shift
    exec "$SPARK_HOME/bin/spark-submit" --deploy-mode client \
        --conf "spark.driver.bindAddress=$SPARK_DRIVER_BIND_ADDRESS" \
        --conf "spark.executorEnv.SPARK_DRIVER_POD_IP=$SPARK_DRIVER_BIND_ADDRESS" "$@"
    ;;
executor)
    kubernetes_executor
    ;;
master)
    shift
    private_conf
    exec "$SPARK_HOME/bin/spark-class" org.apache.spark.deploy.master.Master "$@"
    ;;
worker)
    shift
    private_conf
    exec "$SPARK_HOME/bin/spark-class" org.apache.spark.deploy.worker.Worker "$@"
    ;;
submit)
    shift
    private_conf
    # The secret goes with the job. A shell runs its traps once the program it waits for has ended: so the signals of a
    # supervisor are handed on, and what they ended is waited for.
    trap 'rm -rf "$SPARK_CONF_DIR"' EXIT
    "$SPARK_HOME/bin/spark-submit" --load-spark-defaults "$@" &
    job=$!
    trap 'kill -TERM "$job" 2> /dev/null || true' TERM INT HUP
    ended=0
    wait "$job" || ended=$?
    while kill -0 "$job" 2> /dev/null; do ended=0; wait "$job" || ended=$?; done
    exit "$ended"
    ;;
*)
    exec "$@"
    ;;
esac
