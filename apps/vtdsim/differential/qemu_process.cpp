// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/differential/qemu_process.h"

#include "vtdsim/differential/line_channel.h"

#include <fmt/format.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace vtdsim::differential {

namespace {

/// A descriptor that closes itself.
class descriptor {
public:
  explicit descriptor(int number = -1) : number_(number) {}
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  ~descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  [[nodiscard]] int number() const { return number_; }
  void reset(int number) { number_ = number; }
  int release() { return std::exchange(number_, -1); }

private:
  int number_;
};

// 64 KB of x86 code that does nothing: interrupts off, halt, and again, from the reset vector on.
int make_firmware() {
  constexpr std::size_t size = 65536;
  constexpr std::size_t reset_vector = size - 16;
  std::string image(size, '\xf4');
  image.replace(reset_vector, 4, "\xfa\xf4\xeb\xfd"); // cli; hlt; jmp to hlt
  const int file = ::memfd_create("vtdsim-firmware", 0);
  if (file < 0 || ::write(file, image.data(), image.size()) != static_cast<ssize_t>(image.size()))
    throw qemu_error("no memory for QEMU's firmware (memfd)");
  return file;
}

void make_connection(descriptor& ours, descriptor& theirs) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    throw qemu_error("no sockets for QEMU can be had");
  ours.reset(ends[0]);
  theirs.reset(ends[1]);
}

void keep_over_exec(int number) { ::fcntl(number, F_SETFD, 0); }

} // namespace

std::string find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) return ::access(name.c_str(), X_OK) == 0 ? name : "";
  const char* path = std::getenv("PATH"); // NOLINT(concurrency-mt-unsafe): before any thread
  std::string_view rest = path == nullptr ? "/usr/bin" : path;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    std::string file = std::string(rest.substr(0, end)) + "/" + name;
    if (::access(file.c_str(), X_OK) == 0) return file;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return "";
}

qemu_process::qemu_process(const std::string& program, int memory, std::size_t memory_bytes,
                           const std::vector<std::string>& arguments)
    : errors_(::memfd_create("vtdsim-errors", MFD_CLOEXEC)) {
  const descriptor firmware(make_firmware());
  const descriptor shared(::dup(memory)); // without the flag that closes it in the child
  descriptor qtest;
  descriptor their_qtest;
  descriptor monitor;
  descriptor their_monitor;
  make_connection(qtest, their_qtest);
  make_connection(monitor, their_monitor);
  const auto megabytes = memory_bytes >> 20;
  std::vector<std::string> words{
      program,
      "-machine",
      "q35,memory-backend=ram",
      "-object",
      fmt::format("memory-backend-file,id=ram,size={}M,share=on,mem-path=/proc/self/fd/{}", megabytes,
                  shared.number()),
      "-m",
      fmt::format("{}M", megabytes),
      "-accel",
      "tcg",
      "-icount",
      "shift=auto,sleep=off",
      "-nodefaults",
      "-no-user-config",
      "-display",
      "none",
      "-bios",
      fmt::format("/proc/self/fd/{}", firmware.number()),
      "-chardev",
      fmt::format("socket,id=qtest,fd={}", their_qtest.number()),
      "-qtest",
      "chardev:qtest",
      "-qtest-log",
      "none",
      "-chardev",
      fmt::format("socket,id=monitor,fd={}", their_monitor.number()),
      "-mon",
      "chardev=monitor,mode=control"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words)
    argv.push_back(word.data());
  argv.push_back(nullptr);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) throw qemu_error("no process for QEMU can be had (fork)");
  if (child == 0) {
    // Only calls that are safe after fork in a program with threads.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);
    for (const int number :
         {their_qtest.number(), their_monitor.number(), firmware.number(), shared.number()})
      keep_over_exec(number);
    const int nothing = ::open("/dev/null", O_RDWR);
    if (nothing < 0 || errors_ < 0) ::_exit(127);
    ::dup2(nothing, 0);
    ::dup2(nothing, 1);
    ::dup2(errors_, 2);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  process_ = child; // NOLINT(cppcoreguidelines-prefer-member-initializer): only the parent gets here
  qtest_ = qtest.release();
  monitor_ = monitor.release();
}

qemu_process::~qemu_process() {
  if (process_ <= 0) return;
  ::kill(process_, SIGKILL);
  int status = 0;
  while (::waitpid(process_, &status, 0) < 0 && errno == EINTR) {
  }
  ::close(errors_);
}

std::string qemu_process::last_words() const {
  std::string text(static_cast<std::size_t>(std::max<off_t>(::lseek(errors_, 0, SEEK_END), 0)), '\0');
  if (::pread(errors_, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) return "";
  while (text.ends_with('\n'))
    text.pop_back();
  const auto begin = text.rfind('\n');
  return begin == std::string::npos ? text : text.substr(begin + 1);
}

} // namespace vtdsim::differential
