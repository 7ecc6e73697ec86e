-- The trigger block of @PROJECT@ with plain ports, as @PROJECT@_trigger.v: one event a clock in, its score and decisions
-- @LATENCY@ clocks later. objects: the hardware integers of an event, the first feature in the lowest bits.@LATENTS{
-- latents: the codes of its @N_LATENTS@ latents, of the type @LATENTS_TYPE@, the first in the lowest bits.}@
library ieee;
use ieee.std_logic_1164.all;

entity @PROJECT@_trigger is
    port (
        clk     : in  std_logic;
        objects : in  std_logic_vector(@INPUT_BITS@ - 1 downto 0);
        score   : out std_logic_vector(@SCORE_BITS@ - 1 downto 0);
        accept  : out std_logic_vector(@N_ACCEPT@ - 1 downto 0)@LATENTS{;
        latents : out std_logic_vector(@LATENTS_BITS@ - 1 downto 0)}@
    );
end entity @PROJECT@_trigger;

architecture rtl of @PROJECT@_trigger is
    signal core_input  : std_logic_vector(@CORE_INPUT_BITS@ - 1 downto 0);
    signal core_output : std_logic_vector(@CORE_OUTPUT_BITS@ - 1 downto 0);
begin
@VHDL_CONNECTIONS@

    core : entity work.@PROJECT@_core
        port map (clk => clk, model_inp => core_input, model_out => core_output);
end architecture rtl;
