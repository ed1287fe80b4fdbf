"""Brazilian Portuguese: the keys of `phrases_en.py`."""

PHRASES = {
    "campaign.thing": "a campanha",
    "campaign.of_thing": "da campanha",
    "campaign.the_thing": "a campanha",
    "campaign.in_the_thing": "na campanha",
    "campaign.things": "campanhas",
    "adset.thing": "o conjunto de anúncios",
    "adset.of_thing": "do conjunto de anúncios",
    "adset.the_thing": "o conjunto de anúncios",
    "adset.in_the_thing": "no conjunto de anúncios",
    "adset.things": "conjuntos de anúncios",
    "ad.thing": "o anúncio",
    "ad.of_thing": "do anúncio",
    "ad.the_thing": "o anúncio",
    "ad.in_the_thing": "no anúncio",
    "ad.things": "anúncios",
    "leads.none": "nenhum lead",
    "leads.one": "1 lead",
    "leads.many": "{number} leads",
    "more_leads.one": "mais 1 lead",
    "more_leads.many": "mais {number} leads",
    "days.one": "1 dia",
    "days.many": "{number} dias",
    "title.PAUSE": "Pausar {thing} {name}{within}",
    "title.BUDGET_DECREASE": "Reduzir em {step_size} o orçamento {of_thing} {name}{within}",
    "title.BUDGET_DECREASE.plain": "Reduzir o orçamento {of_thing} {name}{within}",
    "title.SCALE_UP": "Escalar {thing} {name}{within} com {step_size} a mais de orçamento",
    "title.SCALE_UP.plain": "Escalar {thing} {name}{within}",
    "title.SCALE_UP.ad": "Dar mais espaço ao anúncio {name}{within}",
    "title.BUDGET_INCREASE": "Aumentar em {step_size} o orçamento {of_thing} {name}{within}",
    "title.BUDGET_INCREASE.plain": "Aumentar o orçamento {of_thing} {name}{within}",
    "title.REACTIVATE": "Reativar {thing} {name}{within}",
    "title.AUDIENCE_REVIEW": "Revisar o público {of_thing} {name}{within}",
    "title.AUDIENCE_EXPANSION": "Ampliar o público {of_thing} {name}{within}",
    "title.AUDIENCE_NARROWING": "Restringir o público {of_thing} {name}{within}",
    "title.CREATIVE_REFRESH": "Renovar o criativo {of_thing} {name}{within}",
    "title.CREATIVE_TEST": "Testar o anúncio {name} contra {rival_name}{within}",
    "title.CREATIVE_TEST.plain": "Testar o anúncio {name} contra os anúncios ao lado{within}",
    "title.CREATIVE_WINNER": "Direcionar o gasto para o anúncio vencedor {name}{within}",
    "title.within": " em {parent_name}",
    "do.pause": "pausar {the_thing}, que gastou {spend_7d} nos últimos 7 dias",
    "do.pause.plain": "pausar {the_thing}",
    "do.cut_budget": "reduzir o orçamento diário de {budget} para {budget_after} ({step})",
    "do.cut_budget.step": "reduzir o orçamento diário em {step_size}",
    "do.cut_budget.plain": "reduzir o orçamento diário",
    "do.raise_budget": "aumentar o orçamento diário de {budget} para {budget_after} ({step})",
    "do.raise_budget.step": "aumentar o orçamento diário em {step_size}",
    "do.raise_budget.plain": "aumentar o orçamento diário",
    "do.make_room": "dar mais espaço ao anúncio no conjunto {parent_name}: pausar ou desacelerar os anúncios"
    " mais fracos ao lado dele, já que um anúncio não tem orçamento próprio",
    "do.make_room.plain": "dar mais espaço ao anúncio no seu conjunto: pausar ou desacelerar os anúncios mais"
    " fracos ao lado dele, já que um anúncio não tem orçamento próprio",
    "do.reactivate": "ativar novamente {the_thing}",
    "do.review_audience": "revisar quem {the_thing} alcança: quem está excluído e se os interesses ou"
    " públicos semelhantes já se esgotaram",
    "do.untangle_audience": "excluir aqui o público de {overlap_name} ou unir os dois conjuntos de anúncios",
    "do.untangle_audience.plain": "excluir o público que outro conjunto de anúncios da campanha também"
    " alcança ou unir os dois",
    "do.expand_audience": "ampliar o público: um público semelhante maior, mais interesses ou regiões, ou o"
    " público Advantage+",
    "do.narrow_audience": "restringir o público a quem vira lead: excluir as idades, regiões ou interesses"
    " que clicam e vão embora",
    "do.refresh_creative": "colocar um novo criativo no anúncio (outra imagem, outro vídeo ou outra abertura)"
    " e manter a oferta e o público",
    "do.test_creative": "fazer um teste A/B deste anúncio contra {rival_name}, com orçamentos iguais, até que"
    " cada um tenha cerca de {test_leads}, o que custa ao todo cerca de {test_money}",
    "do.test_creative.plain": "fazer um teste A/B deste anúncio contra o melhor anúncio ao lado dele, com"
    " orçamentos iguais",
    "do.shift_spend": "direcionar o gasto do conjunto de anúncios {parent_name} para este anúncio: pausar ou"
    " desacelerar os anúncios mais fracos ao lado dele",
    "do.shift_spend.plain": "direcionar o gasto do conjunto para este anúncio: pausar ou desacelerar os"
    " anúncios mais fracos ao lado dele",
    "why.record": "{leads} com {spend} de gasto em {days}, quando o esperado na meta de"
    " {target_cpl} seria de {expected_leads}",
    "why.good_record": "nos últimos {days} de veiculação, {leads} com {spend} de"
    " gasto, quando o esperado na meta de {target_cpl} seria de {expected_leads}",
    "why.paused": "a pausa já dura {paused_days}",
    "why.below": "o custo por lead real está abaixo de {limit} com {probability} de probabilidade (intervalo"
    " de 80%: {cpl_lo_80} a {cpl_hi_80})",
    "why.above": "o custo por lead real está acima de {limit} com {probability} de probabilidade (intervalo"
    " de 80%: {cpl_lo_80} a {cpl_hi_80})",
    "why.not_falling": "não há queda clara nos leads",
    "why.worst": "é o pior dos {all_siblings} {things} {in_the_parent} com {probability} de probabilidade",
    "why.best": "é o melhor dos {all_siblings} {things} {in_the_parent} com {probability} de probabilidade",
    "why.beside": "o custo por lead é de cerca de {cpl} (intervalo de 80%: {cpl_lo_80} a {cpl_hi_80}), e o"
    " dos demais, de cerca de {siblings_cpl}",
    "why.tired": "a taxa de cliques está um quinto ou mais abaixo da sua melhor fase com {fatigue} de"
    " probabilidade, e a causa é a fadiga do criativo",
    "why.seen": "em média, cada pessoa foi alcançada ao menos {frequency} vezes em 7 dias",
    "why.lead_rate": "a taxa de leads variou {lead_rate_change} de uma semana para a outra; a probabilidade"
    " de ela ter caído {review_fall} ou mais é de {probability}",
    "why.ctr_held": "a taxa de cliques variou {ctr_change}: as pessoas ainda clicam, mas já não viram leads",
    "why.overlap": "a segmentação declarada se sobrepõe em {overlap} à de {overlap_name}, e os dois podem"
    " disputar os mesmos leilões",
    "why.small": "a participação no gasto {in_the_parent} é de apenas {share_of_parent_spend}",
    "why.unspent": "apenas {utilisation} do orçamento é gasto",
    "why.clicked": "a taxa de cliques é {ctr_vs_parent} da taxa da campanha, mas os cliques viram leads a"
    " {cvr_vs_parent} da taxa da campanha",
    "why.undecided": "até aqui ele está atrás, mas o custo por lead real pode estar em qualquer ponto entre"
    " {cpl_lo_80} e {cpl_hi_80} (intervalo de 80%), faixa larga demais para dizer qual anúncio é melhor",
    "impact": "esperado por semana: {parts}",
    "impact.leads": "{leads_change} leads (intervalo de 80%: {leads_lo_80} a {leads_hi_80})",
    "impact.leads.plain": "{leads_change} leads",
    "impact.spend": "{spend_change} de gasto",
    "impact.spend.same": "o mesmo gasto",
    "impact.cpl": "custo por lead de {cpl_after}",
    "impact.money": "ganho líquido de {money} (intervalo de 80%: {money_lo_80} a {money_hi_80}) com os"
    " leads avaliados pela meta",
    "impact.money.plain": "ganho líquido de {money} com os leads avaliados pela meta",
    "impact.waiting": "cada semana de espera custa cerca de {waiting}",
    "turn.leads": "a recomendação deixa de valer se essa probabilidade cair abaixo de {withdraws_below}:"
    " isso aconteceria com {turn_leads} sem novo gasto",
    "turn.spend": "a recomendação deixa de valer se essa probabilidade cair abaixo de {withdraws_below}:"
    " isso aconteceria com mais {turn_spend} de gasto sem nenhum lead",
    "turn.longer_record": "a recomendação deixa de valer se os últimos {estimate_days}, sozinhos, indicarem"
    " menos de {withdraws_below} de probabilidade: isso aconteceria com {turn_leads} sem novo gasto",
    "turn": "a recomendação deixa de valer se essa probabilidade cair abaixo de {withdraws_below}",
    "turn.undecided": "a recomendação deixa de valer assim que um dos dois anúncios for claramente melhor",
    "turn.audience_overlap": "a recomendação deixa de valer se a sobreposição cair abaixo de"
    " {withdraws_below}",
    "not_now": "agora não: {reason}",
    "would_be": "a ação seria: {action}",
    "done": "feito: uma alteração vista em {detected_on} já fez o que se recomendava aqui",
    "was": "a recomendação era: {action}",
    "guard.objective_not_leads": "{the_thing} não busca leads, e por isso o custo por lead nada diz aqui",
    "guard.data_quality": "os números da conta neste dia não passaram nas verificações de dados; haverá nova"
    " avaliação assim que passarem",
    "guard.tracking": "o rastreamento de conversões parece quebrado, e os leads que faltam podem apenas não"
    " ter sido contados; haverá nova avaliação assim que os leads voltarem a ser contados",
    "guard.attribution_changed": "a configuração de atribuição mudou há poucos dias, e os números de antes e"
    " de depois não se comparam; isso termina até {attribution_until}",
    "guard.learning": "a Meta ainda está na fase de aprendizado com {the_thing}; até o fim dela, são"
    " necessárias {learning_factor} vezes as evidências habituais",
    "guard.recent_edit": "houve uma edição há menos de {edit_hours} horas; isso termina até {edit_until}, se"
    " não houver nova edição",
    "guard.cooldown": "houve uma mudança há pouco tempo: antes devem passar {cooldown_hours} horas e"
    " {cooldown_leads} leads esperados, cerca de {cooldown_days} a partir da mudança",
    "guard.cooldown.plain": "houve uma mudança há pouco tempo: antes devem passar {cooldown_hours} horas e"
    " {cooldown_leads} leads esperados",
    "guard.immature": "apenas {maturity} dos leads deste gasto já chegaram, e são necessários"
    " {least_maturity}",
    "guard.immature.plain": "nem todos os leads deste gasto chegaram, e são necessários {least_maturity}",
    "guard.budget_owner": "o orçamento é definido em outro nível; é lá que se decide sobre ele",
    "guard.budget_owner.campaign": "o orçamento é definido nos conjuntos de anúncios; é neles que se decide",
    "guard.budget_owner.adset": "o orçamento é definido na campanha; é nela que se decide",
    "guard.step": "um orçamento pode mudar no máximo {largest_step} de uma vez e subir no máximo"
    " {largest_rise} em 14 dias, e resta menos de {least_step} disso",
    "guard.utilisation": "apenas {utilisation} do orçamento é gasto; abaixo de {least_utilisation}, um"
    " orçamento maior não muda nada",
    "guard.utilisation.plain": "o orçamento não é gasto por inteiro; abaixo de {least_utilisation}, um"
    " orçamento maior não muda nada",
    "guard.campaign_budget_child": "a Meta distribui sozinha o orçamento da campanha e já favorece o que"
    " funciona; por isso, uma parte dela só é pausada com {child_pause} de probabilidade de um custo por"
    " lead acima de {child_limit}, ou por ser a pior entre as demais",
    "guard.last_active_child": "é o último dos {things} em veiculação {in_the_parent}, que pararia"
    " junto; a decisão é sobre esse nível",
    "guard.last_active_child.campaign": "é a última campanha em veiculação na conta, e tudo pararia com ela",
    "guard.plan": "outra coisa na conta vem primeiro",
    "plan.other_action_first": "outra ação para {the_thing} vem primeiro",
    "plan.level_above": "um nível acima deve ser pausado, reduzido ou não está em veiculação",
    "plan.level_above.PAUSE": "a recomendação para {above_thing} {above_name} é pausar",
    "plan.level_above.BUDGET_DECREASE": "a recomendação para {above_thing} {above_name} é reduzir o"
    " orçamento",
    "plan.level_above.INACTIVE": "{above_thing} {above_name} não está em veiculação",
    "plan.budget": "nenhum orçamento foi liberado ou sobra para pagar por isso",
    "plan.no_gain": "cada unidade a mais de orçamento traz menos leads, e aqui isso já não compensaria",
    "plan.below_the_fold": "a lista do dia tem no máximo {issued_per_day} ações, e outras valem mais",
    "plan.unsure_now": "havia certeza suficiente há alguns dias, mas hoje, com {probability}, não há mais",
    "plan.quiet": "a recomendação foi feita e retirada nos últimos {quiet_days} dias; ela volta a partir de"
    " {quiet_until} se ainda valer",
    "plan.dismissed": "a recomendação foi dispensada; ela volta até {dismissed_until} ou assim que as"
    " evidências crescerem {growth}",
}
