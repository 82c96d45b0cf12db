import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.kinesis.producer.KinesisProducer;
import software.amazon.kinesis.producer.KinesisProducerConfiguration;

/**
 * Amazon's KPL: the JVM and its daemon. {@code Kpl HTTPS_URL STREAM QUOTES WARM_UP BUFFERED_MS RATE [SECONDS]}.
 *
 * <p>Prints {@code ready}, then one line of JSON, as driver.py does. Quotes are made before the clock starts. With a
 * rate above 0 it offers that many a second, else as many as it takes with 20,000 outstanding at most.
 */
public final class Kpl {
    private static final int SYMBOLS = 1000;
    private static final int QUOTE_BYTES = 300;
    private static final int OUTSTANDING_MAX = 20_000;
    private static final int[] MADE = new int[SYMBOLS];
    private static final String[] NAMES =
            IntStream.range(0, SYMBOLS).mapToObj(i -> String.format("S%04d", i)).toArray(String[]::new);

    private Kpl() {}

    public static void main(String[] arguments) throws Exception {
        URI url = URI.create(arguments[0]);
        String stream = arguments[1];
        int quotes = Integer.parseInt(arguments[2]);
        int warmUp = Integer.parseInt(arguments[3]);
        int rate = Integer.parseInt(arguments[5]);
        KinesisProducerConfiguration configuration = new KinesisProducerConfiguration()
                .setCredentialsProvider(StaticCredentialsProvider.create(AwsBasicCredentials.create("test", "test")))
                .setRegion("us-east-1")
                .setKinesisEndpoint(url.getHost()).setKinesisPort(url.getPort())
                .setCloudwatchEndpoint(url.getHost()).setCloudwatchPort(url.getPort())
                .setStsEndpoint(url.getHost()).setStsPort(url.getPort())
                .setVerifyCertificate(false).setMetricsLevel("none").setLogLevel("error")
                .setRecordMaxBufferedTime(Long.parseLong(arguments[4]));
        KinesisProducer producer = new KinesisProducer(configuration);
        send(producer, stream, make(warmUp), 0);
        producer.flushSync();
        List<ByteBuffer> made = make(quotes);
        System.out.println("ready");
        double cpu = cpuSeconds();
        long began = System.nanoTime();
        send(producer, stream, made, rate);
        producer.flushSync();
        cpu = cpuSeconds() - cpu;
        double seconds = (System.nanoTime() - began) / 1e9;
        String counts = IntStream.range(0, SYMBOLS).mapToObj(i -> String.format("\"S%04d\":%d", i, MADE[i]))
                .collect(Collectors.joining(","));
        System.out.println("{\"cpu_seconds\":" + cpu + ",\"seconds\":" + seconds + ",\"made\":{" + counts + "}}");
        producer.destroy();
        System.exit(0);
    }

    private static List<ByteBuffer> make(int count) {
        List<ByteBuffer> quotes = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            int symbol = i % SYMBOLS;
            String head = String.format(
                    "{\"seq\":%010d,\"symbol\":\"S%04d\",\"price\":100.25,\"volume\":1,\"pad\":\"", MADE[symbol]++, symbol);
            String quote = head + "x".repeat(QUOTE_BYTES - 2 - head.length()) + "\"}";
            quotes.add(ByteBuffer.wrap(quote.getBytes(StandardCharsets.US_ASCII)));
        }
        return quotes;
    }

    private static void send(KinesisProducer producer, String stream, List<ByteBuffer> quotes, int rate)
            throws InterruptedException {
        long began = System.nanoTime();
        for (int i = 0; i < quotes.size(); i++) {
            if (rate > 0 && i % Math.max(1, rate / 10) == 0) {
                long due = began + i * 1_000_000_000L / rate;
                Thread.sleep(Math.max(0, (due - System.nanoTime()) / 1_000_000));
            }
            while (i % 100 == 0 && producer.getOutstandingRecordsCount() > OUTSTANDING_MAX) {
                Thread.sleep(1);
            }
            producer.addUserRecord(stream, NAMES[i % SYMBOLS], quotes.get(i));
        }
    }

    /** Of this process and of the daemon. */
    private static double cpuSeconds() throws Exception {
        List<Long> processes = new ArrayList<>(List.of(ProcessHandle.current().pid()));
        ProcessHandle.current().descendants().forEach(child -> processes.add(child.pid()));
        long ticks = 0;
        for (long pid : processes) {
            String stat = Files.readString(Path.of("/proc/" + pid + "/stat"));
            String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ");
            ticks += Long.parseLong(fields[11]) + Long.parseLong(fields[12]);
        }
        return ticks / 100.0;
    }
}
