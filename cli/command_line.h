#pragma once

namespace headrace {

// Reads the arguments, the run file that they name and runs the command. Returns the exit code of
// calls that only ask for help (0) or say nothing (2); what a command or a wrong call throws passes
// through.
int run_command_line(int count, char** arguments);

}  // namespace headrace
