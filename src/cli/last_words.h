#pragma once

namespace adder::cli {

/// To be called first. From then on the process ends with a sentence where it would have ended without one:
/// a mapped file that is cut short under us (SIGBUS) is named, with exit status 1, an abort inside a plugin
/// is told as that, and an exception that leaves a thread as main() tells one. Standard streams that are
/// closed are taken up, so that no file that is opened later is written to by mistake: reading from the first
/// or writing to the second fails, what goes to the third is lost. Writing to a pipe that nobody reads is an
/// error to the writer, not the end.
void prepare_process();

/// Ends the process as an unread pipe usually does, if that is what SIGPIPE would have done.
void end_by_broken_pipe();

}  // namespace adder::cli
