// llama.cpp under the same questions as Modelyard's engine: `llama-cpp-peer FILE.gguf THREADS`.
//
// Reads a command a line, answers each with a line of JSON. The first line is written when the model is loaded.
//
//   prefill TOKENS                        seconds until the logits after the last of so many tokens are there
//   decode STREAMS PROMPT NEW KIND        seconds of NEW steps with a token of each stream; KIND is `private` or `shared`
//   greedy NEW TOKEN...                   the NEW tokens that follow, the best one each time
//   score TOKENS LOGITS [FIRST]           log-probabilities; TOKENS is a file of u32 (each token but the first is scored),
//                                         LOGITS a file for the logits after each token from FIRST on, or `-`
//   tokenize TEXT                         the tokens of a file's text, special ones added as the model wants it
//   memory                                kilobytes: resident now, and at most so far
//
// Flash attention is on, weights are repacked where llama.cpp can, threads are kept from step to step: what its own
// server does, or better.

#include "ggml-cpu.h"
#include "llama.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

[[noreturn]] void fail(const std::string & why) {
    std::fprintf(stderr, "llama-cpp-peer: %s\n", why.c_str());
    std::exit(1);
}

// Tokens of sequences, to be computed together.
class Batch {
public:
    explicit Batch(int capacity) : batch(llama_batch_init(capacity, 0, 1)) {}
    ~Batch() { llama_batch_free(batch); }
    Batch(const Batch &) = delete;
    Batch & operator=(const Batch &) = delete;

    void clear() { batch.n_tokens = 0; }

    void add(llama_token token, int position, int sequence, bool logits) {
        const int index = batch.n_tokens++;
        batch.token[index] = token;
        batch.pos[index] = position;
        batch.n_seq_id[index] = 1;
        batch.seq_id[index][0] = sequence;
        batch.logits[index] = logits ? 1 : 0;
    }

    llama_batch batch;
};

// What a context is made for.
struct Shape {
    int streams;
    int positions; // of each stream; of all together where they share
    bool unified;
    bool all_logits;

    bool operator==(const Shape & other) const {
        return streams == other.streams && positions == other.positions && unified == other.unified &&
               all_logits == other.all_logits;
    }
};

// A context, kept for the next question of its kind.
struct Room {
    Shape shape;
    llama_context * context;
    int ready; // streams whose prompt is in the cache
};

class Peer {
public:
    Peer(const char * file, int threads) : threads(threads) {
        const auto start = Clock::now();
        llama_backend_init();
        llama_model_params parameters = llama_model_default_params();
        model = llama_model_load_from_file(file, parameters);
        if (model == nullptr) {
            fail(std::string("cannot load ") + file);
        }
        vocabulary = llama_vocab_n_tokens(llama_model_get_vocab(model));
        ggml_threadpool_params pool_parameters = ggml_threadpool_params_default(threads);
        pool = ggml_threadpool_new(&pool_parameters);
        room(ALONE);
        std::printf("{\"load_seconds\":%.6f,\"vocabulary\":%d}\n", seconds_since(start), vocabulary);
        std::fflush(stdout);
    }

    void prefill(int count) {
        llama_context * context = room(ALONE).context;
        llama_memory_clear(llama_get_memory(context), false);
        const auto start = Clock::now();
        feed(context, count, 0, 0);
        llama_synchronize(context);
        std::printf("{\"seconds\":%.6f}\n", seconds_since(start));
    }

    void decode(int streams, int prompt, int steps, bool shared) {
        llama_context * context = prepared(streams, prompt, steps, shared);
        Batch batch(streams);
        const auto start = Clock::now();
        for (int step = 0; step < steps; ++step) {
            batch.clear();
            for (int stream = 0; stream < streams; ++stream) {
                batch.add(arbitrary(prompt + step + 31 * stream), prompt + step, stream, true);
            }
            run(context, batch.batch);
            llama_synchronize(context);
        }
        const double seconds = seconds_since(start);
        for (int stream = 0; stream < streams; ++stream) {
            if (!llama_memory_seq_rm(llama_get_memory(context), stream, prompt, -1)) {
                fail("cannot forget what was decoded");
            }
        }
        std::printf("{\"seconds\":%.6f}\n", seconds);
    }

    void greedy(int count, const std::vector<llama_token> & prompt) {
        const int length = int(prompt.size());
        const Shape shape{1, std::max(ALONE.positions, round_up(length + count)), false, false};
        llama_context * context = room(shape).context;
        llama_memory_clear(llama_get_memory(context), false);
        Batch batch(PIECE);
        for (int first = 0; first < length; first += PIECE) {
            batch.clear();
            for (int index = first; index < std::min(length, first + PIECE); ++index) {
                batch.add(prompt[index], index, 0, index + 1 == length);
            }
            run(context, batch.batch);
        }
        std::printf("{\"tokens\":[");
        for (int step = 0; step < count; ++step) {
            const llama_token next = best(llama_get_logits_ith(context, -1));
            std::printf(step == 0 ? "%d" : ",%d", next);
            batch.clear();
            batch.add(next, length + step, 0, true);
            run(context, batch.batch);
        }
        std::printf("]}\n");
    }

    void score(const std::string & tokens_file, const std::string & logits_file, int told_from) {
        const std::vector<llama_token> tokens = read_tokens(tokens_file);
        const int count = int(tokens.size());
        llama_context * context = room(Shape{1, round_up(count), false, true}).context;
        llama_memory_clear(llama_get_memory(context), false);
        std::ofstream logits;
        if (logits_file != "-") {
            logits.open(logits_file, std::ios::binary);
        }
        std::printf("{\"log_probabilities\":[");
        Batch batch(PIECE);
        for (int first = 0; first < count; first += PIECE) {
            const int end = std::min(count, first + PIECE);
            batch.clear();
            for (int index = first; index < end; ++index) {
                batch.add(tokens[index], index, 0, true);
            }
            run(context, batch.batch);
            for (int index = first; index < end; ++index) {
                const float * row = llama_get_logits_ith(context, index - first);
                if (logits.is_open() && index >= told_from) {
                    logits.write(reinterpret_cast<const char *>(row), std::streamsize(sizeof(float)) * vocabulary);
                }
                if (index + 1 < count) {
                    std::printf(index == 0 ? "%.9g" : ",%.9g", log_probability(row, tokens[index + 1]));
                }
            }
        }
        std::printf("]}\n");
    }

    void tokenize(const std::string & file) {
        std::ifstream stream(file, std::ios::binary);
        std::ostringstream content;
        content << stream.rdbuf();
        const std::string text = content.str();
        std::vector<llama_token> tokens(text.size() + 2);
        const int count = llama_tokenize(llama_model_get_vocab(model), text.data(), int(text.size()), tokens.data(),
                                         int(tokens.size()), true, false);
        if (count < 0) {
            fail("cannot tokenize " + file);
        }
        std::printf("{\"tokens\":[");
        for (int index = 0; index < count; ++index) {
            std::printf(index == 0 ? "%d" : ",%d", tokens[index]);
        }
        std::printf("]}\n");
    }

    void memory() const {
        std::ifstream status("/proc/self/status");
        std::string line;
        long resident = 0;
        long most = 0;
        while (std::getline(status, line)) {
            std::sscanf(line.c_str(), "VmRSS: %ld", &resident);
            std::sscanf(line.c_str(), "VmHWM: %ld", &most);
        }
        std::printf("{\"resident\":%ld,\"most\":%ld}\n", resident, most);
    }

private:
    static constexpr int PIECE = 512;
    static constexpr int MOST_TOGETHER = 2048;
    static constexpr Shape ALONE{1, 2304, false, false};

    static int round_up(int positions) { return (positions + 255) / 256 * 256; }

    llama_token arbitrary(int number) const { return llama_token((int64_t(number) * 7919 + 13) % vocabulary); }

    // The context of this shape, made when it is first asked for.
    Room & room(const Shape & shape) {
        for (Room & room : rooms) {
            if (room.shape == shape) {
                return room;
            }
        }
        llama_context_params parameters = llama_context_default_params();
        parameters.n_ctx = uint32_t(shape.unified ? shape.positions : shape.positions * shape.streams);
        parameters.n_seq_max = uint32_t(shape.streams);
        parameters.n_batch = shape.all_logits ? PIECE : MOST_TOGETHER;
        parameters.n_ubatch = PIECE;
        parameters.n_outputs_max = uint32_t(shape.all_logits ? PIECE : shape.streams);
        parameters.n_threads = threads;
        parameters.n_threads_batch = threads;
        parameters.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_ENABLED;
        parameters.kv_unified = shape.unified;
        parameters.swa_full = false;
        parameters.no_perf = true;
        llama_context * context = llama_init_from_model(model, parameters);
        if (context == nullptr) {
            fail("cannot make a context");
        }
        llama_attach_threadpool(context, pool, pool);
        rooms.push_back(Room{shape, context, 0});
        return rooms.back();
    }

    // A context in which the prompts of at least so many streams lie, with room for what follows.
    llama_context * prepared(int streams, int prompt, int steps, bool shared) {
        const int most = streams == 1 ? 1 : std::max(streams, 32);
        const int positions = round_up(shared ? prompt + most * steps : prompt + steps);
        Room & room = this->room(Shape{most, positions, shared, false});
        for (; room.ready < streams; ++room.ready) {
            if (shared && room.ready > 0) {
                llama_memory_seq_cp(llama_get_memory(room.context), 0, room.ready, -1, -1);
            } else {
                feed(room.context, prompt, room.ready, 97 * room.ready);
            }
        }
        llama_synchronize(room.context);
        return room.context;
    }

    // A prompt in the pieces that the context takes; the logits after its last token are wanted.
    void feed(llama_context * context, int count, int sequence, int offset) {
        Batch batch(MOST_TOGETHER);
        for (int first = 0; first < count; first += MOST_TOGETHER) {
            const int end = std::min(count, first + MOST_TOGETHER);
            batch.clear();
            for (int index = first; index < end; ++index) {
                batch.add(arbitrary(index + offset), index, sequence, index + 1 == count);
            }
            run(context, batch.batch);
        }
    }

    static void run(llama_context * context, const llama_batch & batch) {
        if (llama_decode(context, batch) != 0) {
            fail("a step failed");
        }
    }

    llama_token best(const float * logits) const {
        llama_token best = 0;
        for (llama_token token = 1; token < vocabulary; ++token) {
            if (logits[token] > logits[best]) {
                best = token;
            }
        }
        return best;
    }

    double log_probability(const float * logits, llama_token token) const {
        const double largest = logits[best(logits)];
        double sum = 0;
        for (int other = 0; other < vocabulary; ++other) {
            sum += std::exp(double(logits[other]) - largest);
        }
        return double(logits[token]) - largest - std::log(sum);
    }

    std::vector<llama_token> read_tokens(const std::string & file) const {
        std::ifstream stream(file, std::ios::binary);
        std::vector<llama_token> tokens;
        uint32_t token = 0;
        while (stream.read(reinterpret_cast<char *>(&token), sizeof token)) {
            tokens.push_back(llama_token(token));
        }
        if (tokens.empty()) {
            fail("no tokens in " + file);
        }
        return tokens;
    }

    int threads;
    int vocabulary = 0;
    llama_model * model = nullptr;
    ggml_threadpool * pool = nullptr;
    std::vector<Room> rooms;
};

void be_quiet(ggml_log_level level, const char * text, void *) {
    if (level == GGML_LOG_LEVEL_ERROR) {
        std::fputs(text, stderr);
    }
}

} // namespace

int main(int count, char ** arguments) {
    if (count != 3) {
        fail("FILE.gguf THREADS");
    }
    llama_log_set(be_quiet, nullptr);
    Peer peer(arguments[1], std::atoi(arguments[2]));
    std::string line;
    while (std::getline(std::cin, line)) {
        std::istringstream words(line);
        std::string command;
        words >> command;
        if (command == "prefill") {
            int tokens = 0;
            words >> tokens;
            peer.prefill(tokens);
        } else if (command == "decode") {
            int streams = 0;
            int prompt = 0;
            int steps = 0;
            std::string kind;
            words >> streams >> prompt >> steps >> kind;
            peer.decode(streams, prompt, steps, kind == "shared");
        } else if (command == "greedy") {
            int steps = 0;
            words >> steps;
            std::vector<llama_token> prompt;
            for (llama_token token; words >> token;) {
                prompt.push_back(token);
            }
            peer.greedy(steps, prompt);
        } else if (command == "score") {
            std::string tokens;
            std::string logits;
            int first = 0;
            words >> tokens >> logits >> first;
            peer.score(tokens, logits, first);
        } else if (command == "tokenize") {
            std::string file;
            words >> file;
            peer.tokenize(file);
        } else if (command == "memory") {
            peer.memory();
        } else {
            fail("no such command: " + line);
        }
        std::fflush(stdout);
    }
    return 0;
}
