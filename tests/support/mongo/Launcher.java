import de.bwaldvogel.mongo.MongoBackend;
import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import java.net.InetSocketAddress;
import org.h2.mvstore.MVStore;

/**
 * A server of MongoDB's wire protocol on the loopback:  Launcher PORT [FILE]
 *
 * <p>PORT 0 takes a free one. The databases are in memory, or in FILE, where SIGTERM loses nothing
 * and SIGKILL the last 10 ms. Once it takes connections it prints "listening on PORT".
 */
public class Launcher {
    private static final int COMMIT_DELAY_MS = 10; // H2's own second would lose acknowledged writes

    public static void main(String[] args) {
        MVStore file = args.length > 1 ? MVStore.open(args[1]) : null;
        MongoBackend backend = new MemoryBackend();
        if (file != null) {
            file.setAutoCommitDelay(COMMIT_DELAY_MS);
            backend = new H2Backend(file);
        }
        MongoServer server = new MongoServer(backend);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            server.shutdownNow();
            if (file != null && !file.isClosed()) {
                file.close();
            }
        }));
        server.bind(new InetSocketAddress("127.0.0.1", Integer.parseInt(args[0])));
        System.out.println("listening on " + server.getLocalAddress().getPort());
    }
}
