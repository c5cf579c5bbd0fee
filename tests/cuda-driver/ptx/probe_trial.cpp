#include "trial.h"
namespace trial {
ProbeTrial::ProbeTrial(const Program& program, unsigned level) : program_(program), level_(level) {}
Wrong ProbeTrial::run(u64, u64&) const { (void)program_; (void)level_; return {}; }
}  // namespace trial
