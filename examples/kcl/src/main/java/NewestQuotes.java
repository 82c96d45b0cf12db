import java.io.PrintWriter;
import java.net.InetAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import software.amazon.awssdk.awscore.client.builder.AwsAsyncClientBuilder;
import software.amazon.awssdk.awscore.client.builder.AwsClientBuilder;
import software.amazon.awssdk.protocols.jsoncore.JsonNode;
import software.amazon.awssdk.protocols.jsoncore.JsonNodeParser;
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
import software.amazon.kinesis.retrieval.polling.PollingConfig;

/**
 * The newest quote of each symbol, once a second, from the stream itself: {@code NewestQuotes STREAM [EVERY-QUOTE-FILE]}.
 *
 * <p>For whoever wants every tick taken in and only the newest state kept: {@link #store} is the place to write it. Region
 * and credentials are those of the AWS SDK, {@code AWS_ENDPOINT_URL} is another place than AWS. KCL takes our aggregated
 * records apart by itself and remembers in a table of its own, named as the application, how far it has read; start it
 * several times and the shards are shared. Ctrl-C or SIGTERM ends it behind its last checkpoint.
 *
 * <p>Against an emulator: {@code java -Daws.cborEnabled=false}.
 */
public final class NewestQuotes {
    /** After so long another process takes the shards of one that died, as KCL has it; a start takes some of these too. */
    private static final long FAILOVER_MILLIS = Long.getLong("failoverMillis", 10_000L);
    private static final JsonNodeParser JSON = JsonNodeParser.create();
    /** Newest of each symbol that was not stored yet. */
    private static final Map<String, JsonNode> CHANGED = new LinkedHashMap<>();
    /** Event time of the newest of each symbol: delivery is at least once, and a repeat is no news. */
    private static final Map<String, String> NEWEST = new LinkedHashMap<>();
    private static PrintWriter every;

    private NewestQuotes() {}

    public static void main(String[] arguments) throws Exception {
        if (arguments.length < 1 || arguments.length > 2) {
            System.err.println("usage: NewestQuotes STREAM [EVERY-QUOTE-FILE]");
            System.exit(2);
        }
        if (arguments.length == 2) {
            every = new PrintWriter(Files.newBufferedWriter(Path.of(arguments[1]), StandardCharsets.UTF_8), true);
        }
        Scheduler scheduler = scheduler(arguments[0]);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                scheduler.startGracefulShutdown().get(20, TimeUnit.SECONDS);
            } catch (Exception failure) {
                System.err.println("not ended in good order: " + failure);
            }
            store();
        }));
        Executors.newSingleThreadScheduledExecutor(NewestQuotes::daemon)
                .scheduleAtFixedRate(NewestQuotes::store, 1, 1, TimeUnit.SECONDS);
        scheduler.run();
    }

    private static Scheduler scheduler(String stream) throws Exception {
        KinesisAsyncClient kinesis = placed(KinesisAsyncClient.builder());
        ConfigsBuilder configs = new ConfigsBuilder(
                new SingleStreamTracker(stream, InitialPositionInStreamExtended.newInitialPosition(InitialPositionInStream.TRIM_HORIZON)),
                "newest-quotes-of-" + stream, kinesis,
                placed(DynamoDbAsyncClient.builder()), placed(CloudWatchAsyncClient.builder()),
                InetAddress.getLocalHost().getHostName() + "-" + UUID.randomUUID(), Processor::new);
        return new Scheduler(
                configs.checkpointConfig(), configs.coordinatorConfig(),
                configs.leaseManagementConfig().failoverTimeMillis(FAILOVER_MILLIS).shardSyncIntervalMillis(FAILOVER_MILLIS / 3),
                configs.lifecycleConfig(),
                // Without this line KCL writes metrics of its own to CloudWatch, which cost.
                configs.metricsConfig().metricsFactory(new NullMetricsFactory()), configs.processorConfig(),
                configs.retrievalConfig().retrievalSpecificConfig(
                        new PollingConfig(stream, kinesis).idleTimeBetweenReadsInMillis(200)));
    }

    private static <B extends AwsClientBuilder<B, C> & AwsAsyncClientBuilder<B, C>, C> C placed(B builder) {
        String endpoint = System.getenv("AWS_ENDPOINT_URL");
        return (endpoint == null ? builder : builder.endpointOverride(URI.create(endpoint))).build();
    }

    private static synchronized void take(String shard, String text) {
        JsonNode quote = JSON.parse(text);
        if (every != null) {
            every.println(shard + "\t" + text);
        }
        String symbol = quote.field("symbol").orElseThrow().asString();
        String timestamp = quote.field("timestamp").orElseThrow().asString();
        // The times that the stream carries are written in one form, so that their order is that of their letters.
        if (timestamp.compareTo(NEWEST.getOrDefault(symbol, "")) > 0) {
            NEWEST.put(symbol, timestamp);
            CHANGED.put(symbol, quote);
        }
    }

    /** What has changed since the last second. Write it wherever the newest state is wanted. */
    private static synchronized void store() {
        CHANGED.forEach((symbol, quote) -> System.out.println(
                symbol + "\t" + NEWEST.get(symbol) + "\t" + quote.field("price").orElseThrow().text()));
        CHANGED.clear();
    }

    private static Thread daemon(Runnable work) {
        Thread thread = new Thread(work, "store");
        thread.setDaemon(true);
        return thread;
    }

    private static final class Processor implements ShardRecordProcessor {
        private String shard;

        @Override
        public void initialize(InitializationInput input) {
            shard = input.shardId();
        }

        @Override
        public void processRecords(ProcessRecordsInput input) {
            input.records().forEach(record -> take(shard, StandardCharsets.UTF_8.decode(record.data()).toString()));
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
