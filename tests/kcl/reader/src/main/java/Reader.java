import java.io.PrintWriter;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.UUID;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.awscore.client.builder.AwsAsyncClientBuilder;
import software.amazon.awssdk.awscore.client.builder.AwsClientBuilder;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.cloudwatch.CloudWatchAsyncClient;
import software.amazon.awssdk.services.dynamodb.DynamoDbAsyncClient;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.kinesis.common.ConfigsBuilder;
import software.amazon.kinesis.common.InitialPositionInStream;
import software.amazon.kinesis.common.InitialPositionInStreamExtended;
import software.amazon.kinesis.coordinator.Scheduler;
import software.amazon.kinesis.lifecycle.events.InitializationInput;
import software.amazon.kinesis.lifecycle.events.LeaseLostInput;
import software.amazon.kinesis.lifecycle.events.ProcessRecordsInput;
import software.amazon.kinesis.lifecycle.events.ShardEndedInput;
import software.amazon.kinesis.lifecycle.events.ShutdownRequestedInput;
import software.amazon.kinesis.metrics.NullMetricsFactory;
import software.amazon.kinesis.processor.ShardRecordProcessor;
import software.amazon.kinesis.processor.SingleStreamTracker;
import software.amazon.kinesis.retrieval.KinesisClientRecord;
import software.amazon.kinesis.retrieval.polling.PollingConfig;

/**
 * A KCL 3 application as its documentation shows one: {@code Reader ENDPOINT STREAM RECORDS SECONDS_MAX FILE}.
 *
 * <p>Writes a line for every user record that KCL hands over, {@code SHARD TAB DATA}; taking aggregates apart is KCL's own
 * work. Ends a moment after the last of so many records, so that a surplus shows too, or when the time is over.
 */
public final class Reader {
    private static final long SURPLUS_MILLIS = 2_000;
    private static final AtomicInteger READ = new AtomicInteger();
    private static final AtomicLong LAST_AT = new AtomicLong();
    private static PrintWriter out;

    private Reader() {}

    public static void main(String[] arguments) throws Exception {
        URI endpoint = URI.create(arguments[0]);
        String stream = arguments[1];
        int expected = Integer.parseInt(arguments[2]);
        long endAt = System.currentTimeMillis() + 1000 * Long.parseLong(arguments[3]);
        out = new PrintWriter(Files.newBufferedWriter(Path.of(arguments[4]), StandardCharsets.UTF_8));
        KinesisAsyncClient kinesis = at(endpoint, KinesisAsyncClient.builder());
        ConfigsBuilder configs = new ConfigsBuilder(
                new SingleStreamTracker(stream, InitialPositionInStreamExtended.newInitialPosition(InitialPositionInStream.TRIM_HORIZON)),
                "reader-" + UUID.randomUUID(), kinesis,
                at(endpoint, DynamoDbAsyncClient.builder()), at(endpoint, CloudWatchAsyncClient.builder()),
                UUID.randomUUID().toString(), Processor::new);
        Scheduler scheduler = new Scheduler(
                configs.checkpointConfig(), configs.coordinatorConfig(),
                configs.leaseManagementConfig().failoverTimeMillis(1_500).shardSyncIntervalMillis(500L), configs.lifecycleConfig(),
                configs.metricsConfig().metricsFactory(new NullMetricsFactory()), configs.processorConfig(),
                configs.retrievalConfig().retrievalSpecificConfig(
                        new PollingConfig(stream, kinesis).idleTimeBetweenReadsInMillis(200)));
        Thread worker = new Thread(scheduler, "kcl");
        worker.setDaemon(true);
        worker.start();
        while (System.currentTimeMillis() < endAt
                && (READ.get() < expected || System.currentTimeMillis() - LAST_AT.get() < SURPLUS_MILLIS)) {
            Thread.sleep(50);
        }
        Future<Boolean> stopped = scheduler.startGracefulShutdown();
        stopped.get(20, TimeUnit.SECONDS);
        synchronized (Reader.class) {
            out.close();
        }
        System.out.println(READ.get());
        System.exit(0);
    }

    private static <B extends AwsClientBuilder<B, C> & AwsAsyncClientBuilder<B, C>, C> C at(URI endpoint, B builder) {
        return builder.endpointOverride(endpoint).region(Region.US_EAST_1)
                .credentialsProvider(StaticCredentialsProvider.create(AwsBasicCredentials.create("test", "test")))
                .build();
    }

    private static void write(String shard, KinesisClientRecord record) {
        synchronized (Reader.class) {
            out.println(shard + "\t" + StandardCharsets.UTF_8.decode(record.data()));
        }
        LAST_AT.set(System.currentTimeMillis());
        READ.incrementAndGet();
    }

    private static final class Processor implements ShardRecordProcessor {
        private String shard;

        @Override
        public void initialize(InitializationInput input) {
            shard = input.shardId();
        }

        @Override
        public void processRecords(ProcessRecordsInput input) {
            input.records().forEach(record -> write(shard, record));
            checkpoint(() -> input.checkpointer().checkpoint());
        }

        @Override
        public void leaseLost(LeaseLostInput input) {
            // Somebody else's now.
        }

        @Override
        public void shardEnded(ShardEndedInput input) {
            checkpoint(() -> input.checkpointer().checkpoint());
        }

        @Override
        public void shutdownRequested(ShutdownRequestedInput input) {
            checkpoint(() -> input.checkpointer().checkpoint());
        }

        private static void checkpoint(Checkpoint checkpoint) {
            try {
                checkpoint.run();
            } catch (Exception failure) {
                throw new IllegalStateException(failure);
            }
        }
    }

    private interface Checkpoint {
        void run() throws Exception;
    }
}
